use std::str::FromStr;

use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;

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
