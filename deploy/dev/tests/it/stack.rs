//! A database and a queue of a test's own, and their end.

mod broker;

use sea_orm::{DatabaseConnection, EntityTrait};
use shared::{
    config::{DatabaseSettings, Env, QueueSettings},
    db::{self, slot},
};
use tempfile::TempDir;
use testkit::{
    Broker, Role, Variables, as_role, create_database, insert_offering, insert_slot, open_database,
    run_as_admin, tomorrow,
};
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::broker::{connect, delete_topology};

/// Runs each of the named `async fn(Stack)` on PostgreSQL with RabbitMQ and on SQLite with
/// the embedded queue.
macro_rules! on_each_stack {
    ($($test:ident),+ $(,)?) => {
        mod postgres_rabbitmq {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::stack::Stack::postgres_rabbitmq().await).await;
            })+
        }
        mod sqlite_embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::stack::Stack::sqlite_embedded().await).await;
            })+
        }
    };
}
pub(crate) use on_each_stack;

/// A migrated database and a queue of a test's own.
pub struct Stack {
    /// What a service has to be given, [as its role](testkit::as_role).
    pub variables: Variables,
    /// The test's own, which may do anything.
    pub admin: Variables,
    pub database: DatabaseSettings,
    pub queue: QueueSettings,
    /// Connection of the kind that services have, but the test's own.
    pub db: DatabaseConnection,
    /// That of the workers in this process.
    pub worker_db: DatabaseConnection,
    /// Connection for a test's own writes beside running services: SQLite may be busy for longer
    /// than a service waits. Its pool tests a connection before it is used again.
    pub patient_db: DatabaseConnection,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(#[expect(dead_code, reason = "dropping it removes the folder")] TempDir),
    Servers { server: String, database: String },
}

impl Stack {
    pub async fn postgres_rabbitmq() -> Self {
        let (admin, cleanup) = postgres_and(from_deploy_test("TEST_AMQP_URL")).await;
        Self::with_roles(admin, cleanup).await
    }

    /// With a broker of the test's own, such as one that it is going to kill.
    pub async fn postgres_with_broker(broker: &Broker) -> Self {
        if let Some(prefix) = Env::from_process().get("TEST_ROLES") {
            broker.make_users(&[prefix]).unwrap();
        }
        let (admin, cleanup) = postgres_and(broker.url.clone()).await;
        Self::with_roles(admin, cleanup).await
    }

    /// On servers that end with the test.
    pub async fn on_servers(admin: Variables) -> Self {
        let cleanup = Cleanup::Folder(TempDir::new().unwrap());
        Self::open(admin.clone(), admin, cleanup).await
    }

    pub async fn sqlite_embedded() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("shop.sqlite");
        let variables = Variables::from([("DATABASE_URL", format!("sqlite://{}", file.display()))]);
        Self::open(variables.clone(), variables, Cleanup::Folder(folder)).await
    }

    /// In a schema of its own, beside the tables of a site, whose function is told of each booking.
    pub async fn postgres_within_a_site() -> Self {
        Self::postgres_within(testkit::SITE).await
    }

    /// The same for the site that `sql` makes.
    pub async fn postgres_within(sql: &str) -> Self {
        let (mut admin, cleanup) = postgres_and(from_deploy_test("TEST_AMQP_URL")).await;
        testkit::move_in(&mut admin, sql).await.unwrap();
        Self::with_roles(admin, cleanup).await
    }

    /// With events spread over so many queues.
    pub async fn postgres_with_event_queues(event_queues: u8) -> Self {
        let (mut admin, cleanup) = postgres_and(from_deploy_test("TEST_AMQP_URL")).await;
        admin.insert("EVENT_QUEUES", event_queues.to_string());
        Self::with_roles(admin, cleanup).await
    }

    async fn with_roles(admin: Variables, cleanup: Cleanup) -> Self {
        let variables = if there_are_roles() {
            testkit::set_up_with_roles(&admin).await.unwrap()
        } else {
            admin.clone()
        };
        Self::open(variables, admin, cleanup).await
    }

    async fn open(variables: Variables, admin: Variables, cleanup: Cleanup) -> Self {
        let env = testkit::env(&admin);
        let database = DatabaseSettings::from_env(&env).unwrap();
        let queue = QueueSettings::from_env(&env, &database).unwrap();
        let patient_db = open_database(&admin).await.unwrap();
        let db = db::connect(&database).await.unwrap();
        let worker_db = db_of_workers(&variables, &db).await;
        Self {
            variables,
            admin,
            database,
            queue,
            db,
            worker_db,
            patient_db,
            cleanup,
        }
    }

    /// Connects anew, after the database was put in the place of this one.
    pub async fn reconnect(&mut self) {
        self.patient_db = open_database(&self.admin).await.unwrap();
        self.connect_anew().await;
    }

    /// Whether programs come as users of their own.
    pub fn has_roles(&self) -> bool {
        as_role(&self.variables, Role::Worker) != self.variables
    }

    /// A slot for tomorrow, at 49.00 EUR a seat.
    pub async fn slot(&self, capacity: i32) -> Uuid {
        self.slot_at(capacity, tomorrow()).await
    }

    /// A slot of an offering of its own.
    pub async fn slot_at(&self, capacity: i32, starts_at: OffsetDateTime) -> Uuid {
        let offering_id = insert_offering(&self.patient_db).await.unwrap();
        let slot = insert_slot(&self.patient_db, offering_id, starts_at, (capacity, 0));
        slot.await.unwrap()
    }

    /// A slot of the same offering, so many minutes later, with five seats.
    pub async fn slot_after(&self, slot: Uuid, minutes: i64) -> Uuid {
        let slot = slot::Entity::find_by_id(slot).one(&self.db).await.unwrap();
        let slot = slot.unwrap();
        let starts_at = slot
            .starts_at
            .saturating_add(time::Duration::minutes(minutes));
        let offering_id = slot.offering_id.unwrap();
        let later = insert_slot(&self.patient_db, offering_id, starts_at, (5, 0));
        later.await.unwrap()
    }

    /// Ends all connections to this test's PostgreSQL database and refuses new ones.
    pub async fn take_the_database_away(&self) {
        self.as_admin(&[
            "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        ])
        .await;
    }

    /// Accepts connections again.
    pub async fn give_the_database_back(&mut self) {
        self.as_admin(&["ALTER DATABASE {database} ALLOW_CONNECTIONS true"])
            .await;
        self.connect_anew().await;
    }

    /// After connections were ended: a pool trusts one for a second after its last use.
    pub async fn connect_anew(&mut self) {
        self.db = db::connect(&self.database).await.unwrap();
        self.worker_db = db_of_workers(&self.variables, &self.db).await;
    }

    /// Ends all connections; from then on the database can only be read, like a standby.
    pub async fn make_the_database_read_only(&mut self, read_only: bool) {
        let set =
            format!("ALTER DATABASE {{database}} SET default_transaction_read_only = {read_only}");
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'";
        self.as_admin(&[&set, end]).await;
        self.connect_anew().await;
    }

    async fn as_admin(&self, statements: &[&str]) {
        let Cleanup::Servers { server, database } = &self.cleanup else {
            panic!("only a server can refuse connections")
        };
        let statements = statements.iter();
        let statements: Vec<_> = statements
            .map(|it| it.replace("{database}", database))
            .collect();
        let statements: Vec<_> = statements.iter().map(String::as_str).collect();
        run_as_admin(server, &statements).await.unwrap();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Cleanup::Servers { server, database } = &self.cleanup else {
            return;
        };
        let server = server.clone();
        let drop = format!("DROP DATABASE {database} WITH (FORCE)");
        let queue = self.queue.clone();
        // A runtime of its own: dropping cannot await, and the test's runtime may be ending.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                run_as_admin(&server, &[&drop]).await.unwrap();
                delete_topology(&queue).await;
            });
        });
        let cleaned = cleaned.join();
        if !std::thread::panicking() {
            cleaned.expect("a test must leave nothing behind");
        }
    }
}

/// A new database, and the administrator's variables for it and a broker.
async fn postgres_and(amqp_url: String) -> (Variables, Cleanup) {
    let server = from_deploy_test("TEST_DATABASE_URL");
    let url = create_database(&server, "bookonce_test").await.unwrap();
    let (_, database) = url.rsplit_once('/').unwrap();
    let database = database.to_owned();
    let admin = Variables::from([
        ("DATABASE_URL", url),
        ("AMQP_URL", amqp_url),
        ("QUEUE_PREFIX", database.clone()),
    ]);
    (admin, Cleanup::Servers { server, database })
}

/// `db` itself, where there is but one user.
async fn db_of_workers(variables: &Variables, db: &DatabaseConnection) -> DatabaseConnection {
    let of_workers = as_role(variables, Role::Worker);
    if of_workers == *variables {
        return db.clone();
    }
    let settings = DatabaseSettings::from_env(&testkit::env(&of_workers)).unwrap();
    db::connect(&settings).await.unwrap()
}

/// Whether `deploy/test` has made the roles and users of our programs on the servers that it has started.
fn there_are_roles() -> bool {
    Env::from_process().get("TEST_ROLES").is_some()
}

fn from_deploy_test(variable: &'static str) -> String {
    let env = Env::from_process();
    let hint = "run the tests with deploy/test, which starts what they need and sets it";
    env.required(variable, hint)
        .unwrap_or_else(|error| panic!("{error}"))
        .to_owned()
}

/// How often a test repeats itself: `deploy/test --long` sets more.
pub fn scale(variable: &'static str, default: u32) -> u32 {
    Env::from_process()
        .parse_or(variable, default, "a number")
        .unwrap_or_else(|error| panic!("{error}"))
}
