//! Reading the environment: the only place that does, and how a wrong value is reported.

use std::{
    collections::BTreeMap, fmt::Display, net::SocketAddr, ops::RangeInclusive, str::FromStr,
};

/// A variable is missing or its value cannot be used. Prints as one line that names it and
/// never repeats the value, which may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl ConfigError {
    /// The exit code of a process that was configured wrongly.
    pub const EXIT_CODE: u8 = 2;

    /// Says that `variable` cannot be used because of `problem`.
    pub fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

/// The environment variables of a process. An empty value counts as not set.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Takes a copy of this process's environment.
    pub fn from_process() -> Self {
        // Lossy: a value that is not UTF-8 then fails its own check, which names it.
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// Sets `variable` where the environment does not.
    #[must_use]
    pub fn or(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        if self.get(variable).is_none() {
            self.0.insert(variable.to_owned(), value.into());
        }
        self
    }

    /// The value of `variable`, if it is set.
    pub fn get(&self, variable: &'static str) -> Option<&str> {
        self.0
            .get(variable)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The value of `variable`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is not set; `expected` then says what to put there.
    pub fn required(&self, variable: &'static str, expected: &str) -> Result<&str, ConfigError> {
        self.get(variable)
            .ok_or_else(|| ConfigError::new(variable, format!("is not set; expected {expected}")))
    }

    /// The value of `variable`, or `default` if it is not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the value is not a `T`.
    pub fn parse_or<T: FromStr>(
        &self,
        variable: &'static str,
        default: T,
        expected: &str,
    ) -> Result<T, ConfigError> {
        self.get(variable).map_or(Ok(default), |value| {
            value
                .parse()
                .map_err(|_| ConfigError::new(variable, format!("expected {expected}")))
        })
    }

    /// A number in `range`, or `default` if `variable` is not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the value is not a number in `range`.
    pub fn number_in<T>(
        &self,
        variable: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let number = self.parse_or(variable, default, &expected)?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(ConfigError::new(variable, format!("expected {expected}")))
        }
    }

    /// An address to listen on, or `default` if `variable` is not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the value is not an IP address with a port.
    pub fn socket_addr(
        &self,
        variable: &'static str,
        default: SocketAddr,
    ) -> Result<SocketAddr, ConfigError> {
        self.parse_or(
            variable,
            default,
            "an IP address and port, such as 127.0.0.1:8080",
        )
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        Self(pairs.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_counts_as_not_set() {
        let env: Env = [("LISTEN_ADDR", "  ")].into_iter().collect();

        assert_eq!(env.get("LISTEN_ADDR"), None);
        let error = env.required("LISTEN_ADDR", "an address").unwrap_err();
        assert_eq!(
            error.to_string(),
            "LISTEN_ADDR: is not set; expected an address"
        );
    }

    #[test]
    fn a_number_outside_its_range_is_refused_without_repeating_it() {
        let pairs = [("HOLD_MINUTES", "29"), ("WORKER_CONCURRENCY", "many")];
        let env: Env = pairs.into_iter().collect();

        let outside = env.number_in("HOLD_MINUTES", 30, 30..=1440).unwrap_err();
        let not_a_number = env.number_in("WORKER_CONCURRENCY", 8, 1..=64).unwrap_err();

        assert_eq!(
            outside.to_string(),
            "HOLD_MINUTES: expected a number from 30 to 1440"
        );
        assert_eq!(
            not_a_number.to_string(),
            "WORKER_CONCURRENCY: expected a number from 1 to 64"
        );
    }

    #[test]
    fn a_default_does_not_replace_what_is_set() {
        let env: Env = [("DATABASE_URL", "sqlite://mine")].into_iter().collect();

        let env = env.or("DATABASE_URL", "sqlite://other");

        assert_eq!(env.get("DATABASE_URL"), Some("sqlite://mine"));
    }
}
