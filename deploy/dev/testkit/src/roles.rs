//! Each program as the user that `deploy/postgres/roles.sql` and `deploy/rabbitmq/users` make for it.

use anyhow::Context;
use shared::{
    config::{DatabaseSettings, QueueSettings},
    queue,
};

use crate::{Variables, env, open_database, run_as_admin};

/// The script that grants each role what it needs in one database.
const ROLES: &str = include_str!("../../../postgres/roles.sql");
/// What stands for a role of the database in its address, until it is known who comes.
const ANY_ROLE: &str = "bookonce_{role}";
/// The same for a user of the broker, and the password that `deploy/services make-users` sets.
const ANY_USER: &str = "bookonce_{user}:bookonce";

/// Who a program is at the database and at the broker.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// Makes tables and queues.
    Migrations,
    /// Takes orders and webhooks.
    Ingress,
    /// Fulfils, and does what operators decide.
    Worker,
    /// `worker audit`
    Audit,
    /// `worker doctor`
    Operator,
}

impl Role {
    /// Of a program that is started with `arguments`.
    pub fn of(program: &str, arguments: &[&str]) -> Self {
        match (program, arguments) {
            ("migrations", _) => Self::Migrations,
            ("ingress", _) => Self::Ingress,
            (_, ["audit", ..]) => Self::Audit,
            (_, ["doctor", ..]) => Self::Operator,
            _ => Self::Worker,
        }
    }

    /// Of the database and of the broker.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Migrations => ("migrations", "operator"),
            Self::Ingress => ("ingress", "ingress"),
            Self::Worker => ("worker", "worker"),
            // It asks nothing of a broker.
            Self::Audit => ("audit", "without_a_broker"),
            Self::Operator => ("worker", "operator"),
        }
    }
}

/// Makes the tables and queues of an empty database as [`Role::Migrations`], and grants each role what it
/// needs there. Returns the variables for programs that come [as a role](as_role).
///
/// - `admin`: an administrator's.
///
/// # Errors
///
/// The roles or users were not made, or a server refuses.
pub async fn set_up_with_roles(admin: &Variables) -> anyhow::Result<Variables> {
    let mut variables = admin.clone();
    replace_user(&mut variables, "DATABASE_URL", ANY_ROLE)?;
    replace_user(&mut variables, "AMQP_URL", ANY_USER)?;
    grant(admin).await?;
    let maker = as_role(&variables, Role::Migrations);
    open_database(&maker).await?.close().await?;
    let env = env(&maker);
    let queue = QueueSettings::from_env(&env, &DatabaseSettings::from_env(&env)?)?;
    queue::declare(&queue).await?;
    grant(admin).await?;
    Ok(variables)
}

fn replace_user(variables: &mut Variables, name: &'static str, user: &str) -> anyhow::Result<()> {
    let Some(url) = variables.get_mut(name) else {
        return Ok(());
    };
    let (before, host) = url.split_once('@').context("a user in the address")?;
    let (scheme, _) = before.split_once("//").context("a scheme")?;
    *url = format!("{scheme}//{user}@{host}");
    Ok(())
}

/// What a program that comes as `role` is given. Nothing changes where there are no roles.
pub fn as_role(variables: &Variables, role: Role) -> Variables {
    let (of_database, of_broker) = role.names();
    let filled = variables.iter().map(|(name, value)| {
        let value = match *name {
            "DATABASE_URL" => value.replace("{role}", of_database),
            "AMQP_URL" => value.replace("{user}", of_broker),
            _ => value.clone(),
        };
        (*name, value)
    });
    filled.collect()
}

/// As the operator's page says: before the tables are there, and once more after.
async fn grant(variables: &Variables) -> anyhow::Result<()> {
    let url = variables.get("DATABASE_URL").context("DATABASE_URL")?;
    let Some(schema) = variables.get("DATABASE_SCHEMA") else {
        return run_as_admin(url, &[ROLES]).await;
    };
    // The site's function writes its tables as the one who calls it.
    let all = format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}; {ROLES} \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO bookonce_worker"
    );
    run_as_admin(url, &[&all]).await
}
