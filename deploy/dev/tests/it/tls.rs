//! TLS to both servers, with an authority of the operator's own: they have to prove who they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use testkit::{Broker, Postgres, Variables, folder, free_port};

use crate::{deployment::Deployment, service, stack::Stack};

/// Both, with certificates for `localhost`.
pub struct Servers {
    postgres: Postgres,
    // Ends with this.
    _broker: Broker,
    broker_port: u16,
    authority: PathBuf,
    folder: TempDir,
}

impl Servers {
    pub fn start() -> Self {
        let folder = folder("tls").unwrap();
        let authority = make_authority(folder.path(), "ours");
        certify(folder.path(), "ours");
        let postgres = Postgres::start(folder.path().join("postgres")).unwrap();
        encrypt_postgres(folder.path(), &postgres);
        let broker_port = free_port().unwrap();
        let broker_folder = folder.path().join("rabbitmq");
        fs::create_dir(&broker_folder).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let settings = format!(
            "listeners.ssl.1 = 127.0.0.1:{broker_port}\n\
             ssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n",
            path("ours.pem"),
            path("server.pem"),
            path("server.key"),
        );
        fs::write(broker_folder.join("extra.conf"), settings).unwrap();
        Self {
            postgres,
            _broker: Broker::start(broker_folder).unwrap(),
            broker_port,
            authority,
            folder,
        }
    }

    /// For services that believe the right authority.
    pub fn trusted(&self) -> Variables {
        self.variables(&self.authority)
    }

    /// - `authority`: whom the services believe.
    fn variables(&self, authority: &Path) -> Variables {
        let authority = authority.display().to_string();
        let (_, server) = self.postgres.url.rsplit_once("127.0.0.1").unwrap();
        let database = format!(
            "postgres://postgres@localhost{server}?sslmode=verify-full&sslrootcert={authority}"
        );
        let broker = format!("amqps://guest:guest@localhost:{}/%2f", self.broker_port);
        Variables::from([
            ("DATABASE_URL", database),
            ("AMQP_URL", broker),
            ("AMQP_CA_FILE", authority),
        ])
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let mut openssl = Command::new("openssl");
    let openssl = openssl.current_dir(folder).args(arguments.split(' '));
    let output = openssl.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {complaint}");
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

fn make_authority(folder: &Path, name: &str) -> PathBuf {
    openssl(
        folder,
        &format!("req -x509 {KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"),
    );
    folder.join(format!("{name}.pem"))
}

fn certify(folder: &Path, authority: &str) {
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        folder,
        &format!("req {KEY} -subj /CN=localhost -keyout server.key -out server.csr"),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -days 2 -in server.csr -CA {authority}.pem -CAkey {authority}.key \
         -CAcreateserial -extfile names -out server.pem"
        ),
    );
}

/// And nothing without.
fn encrypt_postgres(folder: &Path, postgres: &Postgres) {
    let data = folder.join("postgres/data");
    for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
        fs::copy(folder.join(from), data.join(to)).unwrap();
        let owner = Command::new("chown")
            .arg("--reference")
            .arg(&data)
            .arg(data.join(to))
            .status();
        assert!(owner.unwrap().success());
    }
    fs::write(
        data.join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 trust\n",
    )
    .unwrap();
    postgres
        .psql("postgres", "ALTER SYSTEM SET ssl = on")
        .unwrap();
    postgres
        .psql("postgres", "SELECT pg_reload_conf()")
        .unwrap();
}

async fn doctor(shop: &Deployment, variables: &Variables) -> Output {
    let mut command = service::program("worker", &["doctor", "--json"], &shop.variables);
    command.envs(variables);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_servers_have_to_prove_who_they_are() {
    let servers = Servers::start();
    let ours = servers.trusted();
    let shop = Deployment::new(Stack::on_servers(ours.clone()).await).await;
    let slot = shop.stack.slot(3).await;
    let (ingress, worker) = (shop.start_ingress().await, shop.start("worker"));

    shop.buy(slot, 3).await;
    shop.wait_for_bookings(3).await;

    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE client_addr IS NOT NULL AND NOT ssl";
    assert_eq!(servers.postgres.psql("postgres", plain).unwrap(), "0");
    let stranger = make_authority(servers.folder.path(), "stranger");
    let theirs = servers.variables(&stranger);
    for (check, variable) in [("database", "DATABASE_URL"), ("broker", "AMQP_CA_FILE")] {
        let variables = Variables::from([(variable, theirs[variable].clone())]);
        let said = doctor(&shop, &variables).await;
        assert!(!said.status.success());
        let findings: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        let findings = findings.as_array().unwrap();
        let found = findings.iter().find(|it| it["check"] == check).unwrap();
        assert_eq!(found["status"], "failed", "{found}");
        assert!(
            found["detail"].as_str().unwrap().contains("ertificate"),
            "{found}"
        );
    }
    // One that everyone knows has not signed it either.
    let mut public = service::program("ingress", &["check"], &shop.variables);
    public.env_remove("AMQP_CA_FILE");
    let public = tokio::task::spawn_blocking(move || public.output().unwrap());
    assert!(!public.await.unwrap().status.success());
    for service in [ingress, worker] {
        assert!(service.terminate().await.success());
    }
    shop.close().await;
}
