//! How the programs answer to wrong variables and arguments.

use std::process::Output;

use testkit::{Role, as_role};

use crate::{service, stack::Stack};

fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = service::command(program);
    command.args(arguments).envs(variables.iter().copied());
    command.output().unwrap()
}

const GOOD: [(&str, &str); 3] = [
    ("DATABASE_URL", "sqlite:///nonexistent/shop.sqlite"),
    ("STRIPE_SECRET_KEY", "sk_test_1"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_1234567890"),
];

#[test]
fn a_wrong_or_missing_variable_is_one_line_that_names_it_and_exit_code_2() {
    for (program, variable, value) in [
        ("ingress", "DATABASE_URL", ""),
        ("ingress", "STRIPE_SECRET_KEY", "hunter2hunter2"),
        ("ingress", "STRIPE_WEBHOOK_SECRET", "hunter2hunter2"),
        ("ingress", "STRIPE_WEBHOOK_SECRET", "whsec_hunt2"),
        ("ingress", "STRIPE_WEBHOOK_SECRET", "whsec_hunter2 hunter2"),
        (
            "worker",
            "STRIPE_WEBHOOK_SECRET",
            "\"whsec_hunter2hunter2\"",
        ),
        (
            "worker",
            "STRIPE_WEBHOOK_SECRET",
            "whsec_1234567890,'whsec_hunter2hunter2'",
        ),
        ("ingress", "LISTEN_ADDR", "hunter2"),
        ("ingress", "HOLD_MINUTES", "5"),
        ("ingress", "LOG_FORMAT", "xml"),
        ("ingress", "RUST_LOG", "a=b=c"),
        ("worker", "RUST_LOG", "verbose"),
        ("worker", "RUST_LOG", "info,sea_orm::driver=trace"),
        ("worker", "RUST_LOG", "info,[connect]=trace"),
        ("worker", "DATABASE_URL", "mysql://root:hunter2@localhost/x"),
        ("worker", "STRIPE_SECRET_KEY", ""),
        ("worker", "AMQP_URL", "http://guest:hunter2@localhost"),
        ("worker", "WORKER_CONCURRENCY", "0"),
        ("local", "LISTEN_ADDR", "8080"),
        (
            "local",
            "DATABASE_URL",
            "postgres://postgres:hunter2@127.0.0.1/x",
        ), // no AMQP_URL
        ("migrations", "DATABASE_URL", ""),
        (
            "migrations",
            "DATABASE_URL",
            "oracle://system:hunter2@localhost",
        ),
        (
            "migrations",
            "DATABASE_URL",
            "postgresql://shop:a/hunter2@localhost/shop",
        ),
    ] {
        let mut variables = GOOD.to_vec();
        variables.retain(|(name, _)| *name != variable);
        variables.push((variable, value));
        let arguments: &[&str] = if program == "migrations" {
            &["up"]
        } else {
            &[]
        };

        let output = run(program, arguments, &variables);

        let stderr = String::from_utf8(output.stderr).unwrap();
        let named = if value.starts_with("postgres:") {
            "AMQP_URL"
        } else {
            variable
        };
        assert_eq!(
            output.status.code(),
            Some(2),
            "{program} {variable}={value}: {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with(&format!("{program}: {named}: ")),
            "{stderr}"
        );
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

/// Starting again would not help. What is down for a while is another matter: see `processes`.
#[test]
fn a_wrong_address_is_one_line_and_exit_code_2() {
    let not_there = (
        "DATABASE_URL",
        "postgres://shop:hunter2@no-such-host.invalid/shop",
    );
    let broker = ("AMQP_URL", "amqps://shop:hunter2@no-such-host.invalid");
    for (variable, changes) in [
        ("DATABASE_URL", &[][..]),
        ("DATABASE_URL", &[not_there, broker]),
        ("AMQP_URL", &[broker]),
    ] {
        for program in ["ingress", "worker"] {
            let sqlite = tempfile::NamedTempFile::new().unwrap();
            let mut variables = GOOD.to_vec();
            let url = format!("sqlite://{}", sqlite.path().display());
            if variable == "AMQP_URL" {
                variables.retain(|(name, _)| *name != "DATABASE_URL");
                variables.push(("DATABASE_URL", &url));
                assert!(run("migrations", &["up"], &variables).status.success());
            }
            for change in changes {
                variables.retain(|(name, _)| name != &change.0);
                variables.push(*change);
            }

            let output = run(program, &[], &variables);

            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{variable}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            assert!(
                stderr.starts_with(&format!("{program}: {variable}: ")),
                "{stderr}"
            );
            assert!(!stderr.contains("hunter2"), "{stderr}");
        }
    }
}

#[test]
fn every_program_explains_itself_and_refuses_unknown_arguments() {
    for program in ["ingress", "worker", "migrations", "local", "stripe-sim"] {
        let help = run(program, &["--help"], &[]);
        let unknown = run(program, &["--frobnicate"], &[]);

        assert!(help.status.success());
        assert!(
            String::from_utf8(help.stdout).unwrap().contains("Usage:"),
            "{program}"
        );
        assert_eq!(unknown.status.code(), Some(2), "{program}");
    }
}

#[tokio::test]
async fn check_says_whether_ingress_could_start() {
    let stack = Stack::postgres_rabbitmq().await;
    let mut variables: Vec<(&str, &str)> = GOOD[1..].to_vec();
    let of_ingress = as_role(&stack.variables, Role::Ingress);
    variables.extend(
        of_ingress
            .iter()
            .map(|(name, value)| (*name, value.as_str())),
    );

    let output = run("ingress", &["check"], &variables);

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
