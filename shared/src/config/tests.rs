use std::str::FromStr;

use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::*;

fn queue(pairs: &[(&str, &str)]) -> Result<QueueSettings, ConfigError> {
    let env = pairs.iter().copied().collect();
    QueueSettings::from_env(&env, &DatabaseSettings::from_env(&env)?)
}

#[test]
fn postgres_needs_a_broker_and_sqlite_brings_its_own_queue() {
    let alone = queue(&[("DATABASE_URL", "postgres://localhost/shop")]).unwrap_err();
    let embedded = queue(&[("DATABASE_URL", "sqlite://shop.sqlite")]).unwrap();
    let broker = queue(&[
        ("DATABASE_URL", "sqlite://shop.sqlite"),
        ("AMQP_URL", "amqp://localhost"),
    ])
    .unwrap();

    assert_eq!(alone.variable, "AMQP_URL");
    assert!(matches!(embedded, QueueSettings::Embedded));
    assert!(matches!(broker, QueueSettings::RabbitMq { prefix, .. } if prefix == "bookonce"));
}

#[test]
fn a_file_has_few_connections_unless_more_are_asked_for() {
    let connections = |pairs: &[(&'static str, &str)]| {
        let env: Env = pairs.iter().copied().collect();
        DatabaseSettings::from_env(&env).unwrap().max_connections
    };
    let file = ("DATABASE_URL", "sqlite://shop.sqlite");
    let server = ("DATABASE_URL", "postgres://localhost/shop");
    let asked = ("DATABASE_MAX_CONNECTIONS", "30");

    assert_eq!((connections(&[file]), connections(&[server])), (4, 20));
    assert_eq!(connections(&[file, asked]), 30);
}

#[test]
fn a_wrong_address_is_reported_without_its_password() {
    for (variable, value) in [
        ("DATABASE_URL", "mysql://root:hunter2@localhost/shop"),
        (
            "DATABASE_URL",
            "postgresql+tls://shop:hunter2@localhost/shop",
        ),
        ("DATABASE_URL", "postgres://shop:a/hunter2@localhost/shop"),
        ("DATABASE_URL", "postgres://shop:a#hunter2@localhost/shop"),
        ("DATABASE_URL", "postgres://localhost/shop?sslmode=hunter2"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "sqlite:%3Amemory%3A"),
        ("DATABASE_URL", "sqlite:file:shop%3Fmode%3Dmemory"),
        ("DATABASE_URL", "sqlite://shop?mode=memory"),
        ("DATABASE_URL", "sqlite://shop?mode=ro"),
        ("AMQP_URL", "http://guest:hunter2@localhost"),
    ] {
        let error = queue(&[("DATABASE_URL", "sqlite://shop"), (variable, value)]).unwrap_err();

        assert_eq!(error.variable, variable);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_schema_is_a_plain_name_of_postgresql() {
    let schema = |url: &str, name: &str| {
        let env = [("DATABASE_URL", url), ("DATABASE_SCHEMA", name)];
        DatabaseSettings::from_env(&env.into_iter().collect())
    };
    let too_long = "a".repeat(64);
    for (url, name) in [
        ("sqlite://shop.sqlite", "bookonce"),
        ("postgres://localhost/shop", "Bookonce"),
        ("postgres://localhost/shop", "pg_bookonce"),
        ("postgres://localhost/shop", "a,public"),
        ("postgres://localhost/shop", "2nd"),
        ("postgres://localhost/shop", &too_long),
    ] {
        assert_eq!(
            schema(url, name).unwrap_err().variable,
            "DATABASE_SCHEMA",
            "{name}"
        );
    }
    let settings = schema(
        "postgres://shop:a%40b@localhost/shop?sslmode=disable",
        "_shop2",
    )
    .unwrap();
    let options = PgConnectOptions::from_str(settings.url.expose_secret()).unwrap();
    assert_eq!(options.get_options(), Some("-c search_path=_shop2"));
}

#[test]
fn debug_output_shows_no_secret() {
    let env = [
        ("DATABASE_URL", "postgres://shop:hunter2@localhost/shop"),
        ("AMQP_URL", "amqp://shop:hunter2@localhost"),
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
    ];
    let env = env.into_iter().collect();
    let database = DatabaseSettings::from_env(&env).unwrap();
    let queue = QueueSettings::from_env(&env, &database).unwrap();
    let stripe = StripeSettings::from_env(&env).unwrap();

    let printed = format!("{database:?} {queue:?} {stripe:?}");

    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn nothing_goes_to_another_machine_in_plain_text_unless_it_is_named() {
    let database = |url: &str, hosts: &str| {
        let env = [("DATABASE_URL", url), ("PLAINTEXT_HOSTS", hosts)];
        DatabaseSettings::from_env(&env.into_iter().collect())
    };
    let mode = |url: &str, hosts: &str| {
        let settings = database(url, hosts).unwrap();
        let url = Url::parse(settings.url.expose_secret()).unwrap();
        let mut pairs = url.query_pairs();
        pairs
            .find(|it| it.0 == "sslmode")
            .map(|it| it.1.into_owned())
    };
    for here in [
        "postgres://u:p@localhost/shop",
        "postgres://u:p@127.0.0.1:5433/shop",
        "postgres://u:p@[::1]/shop",
        "postgres:///shop?host=/var/run/postgresql",
        "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/shop",
        "sqlite://shop.sqlite",
    ] {
        assert_eq!(mode(here, ""), None, "{here}");
    }
    let there = "postgres://u:p@db.example.com/shop";
    assert_eq!(mode(there, "").as_deref(), Some("verify-full"));
    assert_eq!(mode(there, "other, DB.example.com"), None);
    for weaker in ["disable", "allow", "prefer"] {
        let url = format!("{there}?sslmode={weaker}");
        let error = database(&url, "").unwrap_err();
        assert_eq!(error.variable, "DATABASE_URL");
        assert!(error.to_string().contains("PLAINTEXT_HOSTS"), "{error}");
        assert!(database(&url, "db.example.com").is_ok());
    }
    for chosen in ["require", "verify-ca", "verify-full"] {
        let url = format!("{there}?sslmode={chosen}");
        assert_eq!(mode(&url, "").as_deref(), Some(chosen));
    }
    // The last of two counts.
    let twice = format!("{there}?sslmode=verify-full&sslmode=disable");
    assert_eq!(database(&twice, "").unwrap_err().variable, "DATABASE_URL");
    let by_option = "postgres://localhost/shop?host=db.example.com";
    assert_eq!(mode(by_option, "").as_deref(), Some("verify-full"));

    let stripe = |base: &str, hosts: &str| {
        let key = ("STRIPE_SECRET_KEY", "sk_live_1");
        let env = [key, ("STRIPE_API_BASE", base), ("PLAINTEXT_HOSTS", hosts)];
        StripeSettings::from_env(&env.into_iter().collect())
    };
    assert!(stripe("http://127.0.0.1:12111", "").is_ok());
    assert!(stripe("https://stripe.example.com", "").is_ok());
    assert!(stripe("http://stripe.example.com", "stripe.example.com").is_ok());
    let refused = stripe("http://stripe.example.com", "").unwrap_err();
    assert_eq!(refused.variable, "STRIPE_API_BASE");

    let broker = |url: &str, hosts: &str| {
        let sqlite = ("DATABASE_URL", "sqlite://shop");
        queue(&[sqlite, ("AMQP_URL", url), ("PLAINTEXT_HOSTS", hosts)])
    };
    assert!(broker("amqp://u:p@localhost", "").is_ok());
    assert!(broker("amqp://u:p@[::1]:5672", "").is_ok());
    assert!(broker("amqps://u:p@mq.example.com", "").is_ok());
    assert!(broker("amqp://u:p@mq.example.com", "mq.example.com").is_ok());
    let refused = broker("amqp://u:hunter2@mq.example.com", "example.com").unwrap_err();
    assert_eq!(refused.variable, "AMQP_URL");
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
}

#[test]
fn a_private_authority_is_a_file_with_certificates() {
    let with = |url: &str, file: &str| {
        let sqlite = ("DATABASE_URL", "sqlite://shop");
        queue(&[sqlite, ("AMQP_URL", url), ("AMQP_CA_FILE", file)])
    };
    for (url, file) in [
        ("amqps://localhost", "/there/is/no/such/file"),
        ("amqps://localhost", "/dev/null"),
        ("amqp://localhost", "/dev/null"),
    ] {
        assert_eq!(
            with(url, file).unwrap_err().variable,
            "AMQP_CA_FILE",
            "{url} {file}"
        );
    }
}
