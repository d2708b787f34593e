//! A database and a queue of a test's own, and their end.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use secrecy::ExposeSecret;
use shared::{
    config::{AmqpUri, DatabaseSettings, Env, QueueSettings},
    db,
    queue::{RetryTier, topology::Topology},
};
use tempfile::TempDir;

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

/// A migrated database and a queue that nobody else uses.
pub struct Stack {
    /// What a service has to be given.
    pub variables: Vec<(&'static str, String)>,
    pub database: DatabaseSettings,
    pub queue: QueueSettings,
    pub db: DatabaseConnection,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(#[expect(dead_code, reason = "dropping it removes the folder")] TempDir),
    Servers { admin_url: String, database: String },
}

impl Stack {
    pub async fn postgres_rabbitmq() -> Self {
        let amqp_url = from_deploy_test("TEST_AMQP_URL");
        Self::postgres_with_broker(&amqp_url).await
    }

    /// With a broker of the test's choice, such as one that it is going to kill.
    pub async fn postgres_with_broker(amqp_url: &str) -> Self {
        let admin_url = from_deploy_test("TEST_DATABASE_URL");
        let database = unique_name();
        let admin = Database::connect(ConnectOptions::new(&admin_url))
            .await
            .unwrap();
        admin
            .execute_unprepared(&format!("CREATE DATABASE {database}"))
            .await
            .unwrap();
        admin.close().await.unwrap();
        let (server, _) = admin_url.rsplit_once('/').unwrap();
        let variables = vec![
            ("DATABASE_URL", format!("{server}/{database}")),
            ("AMQP_URL", amqp_url.to_owned()),
            ("QUEUE_PREFIX", database.clone()),
        ];
        Self::open(
            variables,
            Cleanup::Servers {
                admin_url,
                database,
            },
        )
        .await
    }

    pub async fn sqlite_embedded() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("shop.sqlite");
        let variables = vec![("DATABASE_URL", format!("sqlite://{}", file.display()))];
        Self::open(variables, Cleanup::Folder(folder)).await
    }

    async fn open(variables: Vec<(&'static str, String)>, cleanup: Cleanup) -> Self {
        let env: Env = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let database = DatabaseSettings::from_env(&env).unwrap();
        let queue = QueueSettings::from_env(&env, &database).unwrap();
        let mut options = ConnectOptions::new(database.url.expose_secret());
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true));
        let migrating = Database::connect(options).await.unwrap();
        ::migrations::up(&migrating).await.unwrap();
        migrating.close().await.unwrap();
        let db = db::connect(&database).await.unwrap();
        Self {
            variables,
            database,
            queue,
            db,
            cleanup,
        }
    }

    /// Ends all connections to this test's PostgreSQL database and lets nobody in again.
    pub async fn take_the_database_away(&self) {
        self.as_admin(&[
            "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        ])
        .await;
    }

    /// Lets everybody in again.
    pub async fn give_the_database_back(&mut self) {
        self.as_admin(&["ALTER DATABASE {database} ALLOW_CONNECTIONS true"])
            .await;
        self.connect_anew().await;
    }

    /// For the test's own questions, after connections were ended: a pool trusts one for a
    /// second after its last use.
    pub async fn connect_anew(&mut self) {
        self.db = db::connect(&self.database).await.unwrap();
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
        let Cleanup::Servers {
            admin_url,
            database,
        } = &self.cleanup
        else {
            panic!("only a server can refuse connections")
        };
        let admin = Database::connect(ConnectOptions::new(admin_url))
            .await
            .unwrap();
        for statement in statements {
            let statement = statement.replace("{database}", database);
            admin.execute_unprepared(&statement).await.unwrap();
        }
        admin.close().await.unwrap();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Cleanup::Servers {
            admin_url,
            database,
        } = &self.cleanup
        else {
            return;
        };
        let (admin_url, database) = (admin_url.clone(), database.clone());
        let queue = self.queue.clone();
        // A runtime of its own: dropping cannot await, and the test's runtime may be ending.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let admin = Database::connect(ConnectOptions::new(admin_url))
                    .await
                    .unwrap();
                let drop = format!("DROP DATABASE {database} WITH (FORCE)");
                admin.execute_unprepared(&drop).await.unwrap();
                if let QueueSettings::RabbitMq { uri, prefix } = queue {
                    delete_topology(&uri, &prefix).await;
                }
            });
        });
        let cleaned = cleaned.join();
        if !std::thread::panicking() {
            cleaned.expect("a test must leave nothing behind");
        }
    }
}

/// The broker may be one that the test has killed; then there is nothing left to delete.
async fn delete_topology(uri: &AmqpUri, prefix: &str) {
    let Ok(connection) = connect(uri).await else {
        return;
    };
    let channel = connection.create_channel().await.unwrap();
    let topology = Topology::new(prefix);
    for (queue, _) in topology.queues() {
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
    let tiers = RetryTier::ALL.map(|tier| topology.retry_exchange(tier));
    let others = [
        topology.work_exchange(),
        topology.dead_exchange(),
        topology.unroutable_exchange(),
    ];
    for exchange in others.into_iter().chain(tiers) {
        channel
            .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
            .await
            .unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// A plain connection, for a test that looks at the broker itself.
pub async fn connect(uri: &AmqpUri) -> lapin::Result<Connection> {
    Connection::connect_uri(uri.expose(), ConnectionProperties::default()).await
}

/// Sends a signal to a process.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
    assert!(status.unwrap().success(), "cannot signal process {pid}");
}

/// Sends a signal to every process of a group, if any is left.
pub fn signal_group(name: &str, group: u32) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}"))
        .arg("--")
        .arg(format!("-{group}"));
    kill.stderr(std::process::Stdio::null()).status().ok();
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

fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("bookonce_test_{}_{number}", std::process::id())
}
