use super::*;

fn env(change: (&str, &str)) -> Env {
    let mut pairs = vec![
        ("DATABASE_URL", "sqlite://shop.sqlite"),
        ("STRIPE_SECRET_KEY", "sk_test_123"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1234567890"),
    ];
    pairs.retain(|(name, _)| *name != change.0);
    pairs.push(change);
    pairs.into_iter().collect()
}

#[test]
fn the_defaults_are_those_of_a_shop_on_this_machine() {
    let config = Config::from_env(&env(("HOLD_MINUTES", ""))).unwrap();

    assert_eq!(config.listen_addr.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.hold, time::Duration::minutes(30));
    assert!(config.cors_origins.is_empty());
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    let origins = "https://Shop.example:443/, http://localhost:3000";

    let config = Config::from_env(&env(("CORS_ORIGINS", origins))).unwrap();

    let expected = ["https://shop.example", "http://localhost:3000"];
    assert_eq!(config.cors_origins, expected);
}

#[test]
fn every_wrong_variable_is_named() {
    for (variable, value) in [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "shop.sqlite"),
        ("DATABASE_URL", "postgres://localhost:port/shop"),
        ("DATABASE_URL", "sqlite://shop?mode=often"),
        ("DATABASE_URL", "postgres://localhost/shop"), // AMQP_URL is missing
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("AMQP_URL", "localhost:5672"),
        ("PUBLIC_URL", "shop.example.com"),
        ("LISTEN_ADDR", "8080"),
        ("LISTEN_ADDR", "0.0.0.0:8080"), // PUBLIC_URL is missing
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("ADMIN_ADDR", "localhost"),
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_SECRET_KEY", "pk_test_123"),
        ("STRIPE_SECRET_KEY", "sk_test_12\u{7f}3"),
        ("STRIPE_WEBHOOK_SECRET", ""),
        ("STRIPE_WEBHOOK_SECRET", "whsec_"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_12345,"),
        ("STRIPE_WEBHOOK_SECRET", "12345678901"),
        ("STRIPE_API_BASE", "api.stripe.com"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example,"),
        ("CORS_ORIGINS", "https://a.example/shop"),
        ("CORS_ORIGINS", "https://user@a.example"),
        ("RETURN_ORIGINS", "shop.example.com"),
        ("RETURN_ORIGINS", "https://a.example/shop"),
        ("SITE_API_KEYS", "guess-me"),
        ("CHECKOUT_OPTIONS", "promotion codes"),
        ("CHECKOUT_OPTIONS", r#"{"shipping_options": []}"#),
        (
            "CHECKOUT_OPTIONS",
            r#"{"automatic_tax": {"enabled": true}}"#,
        ),
        ("CHECKOUT_OPTIONS", r#"{"customer": "cus_1"}"#),
        ("HOLD_MINUTES", "29"),
        ("HOLD_MINUTES", "half an hour"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "::/0"),
        ("ORDERS_PER_MINUTE", "-1"),
        ("HELD_SEATS_PER_CLIENT", "19"),
        ("SESSIONS_PER_MINUTE", "many"),
    ] {
        let error = Config::from_env(&env((variable, value))).unwrap_err();
        let named = match value {
            "postgres://localhost/shop" => "AMQP_URL",
            "0.0.0.0:8080" | "127.0.0.1:0" => "PUBLIC_URL",
            _ => variable,
        };
        assert_eq!(error.variable, named, "{variable}={value}");
        assert!(!error.to_string().contains('\n'));
    }
}
