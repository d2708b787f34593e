//! Stripe's request encoding: forms whose keys nest by brackets.

use serde_json::{Map, Value};

/// Deepest nesting; none of Stripe's parameters goes deeper.
const MAX_DEPTH: usize = 16;

/// The nested form of `a[b][0]=c`: `{"a": {"b": {"0": "c"}}}`. All leaves are strings, and
/// lists are objects whose keys are the positions.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Form(Map<String, Value>);

impl Form {
    /// Reads a body or a query string.
    pub fn parse(encoded: &[u8]) -> Self {
        let mut root = Map::new();
        for (key, value) in url::form_urlencoded::parse(encoded) {
            let path: Vec<&str> = key
                .split('[')
                .map(|part| part.trim_end_matches(']'))
                .collect();
            insert(&mut root, &path, &value);
        }
        Self(root)
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str()
    }

    /// Names of the parameters, without what is inside them.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub fn integer(&self, path: &str) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// The object at `path`, or an empty one.
    pub fn object(&self, path: &str) -> Map<String, Value> {
        self.value(path)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    }

    /// The elements of the list at `path`.
    pub fn list(&self, path: &str) -> Vec<Self> {
        let elements = self.object(path);
        elements
            .into_values()
            .filter_map(|element| match element {
                Value::Object(fields) => Some(Self(fields)),
                _ => None,
            })
            .collect()
    }

    /// The strings of the list at `path`.
    pub fn texts(&self, path: &str) -> Vec<String> {
        let elements = self.object(path);
        elements
            .values()
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect()
    }

    fn value(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let mut value = self.0.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value)
    }
}

fn insert(map: &mut Map<String, Value>, path: &[&str], value: &str) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    // `types[]=a&types[]=b`: an unnamed position is the next one.
    let key = if first.is_empty() {
        map.len().to_string()
    } else {
        (*first).to_owned()
    };
    if rest.is_empty() {
        map.insert(key, Value::from(value));
        return;
    }
    if rest.len() > MAX_DEPTH {
        return;
    }
    let child = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(child) = child {
        insert(child, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_nest() {
        let form = Form::parse(
            b"mode=payment&line_items[0][quantity]=2&line_items[0][price_data][currency]=eur\
              &metadata[a%20b]=c%26d&types[]=x&types[]=y",
        );

        assert_eq!(form.text("mode"), Some("payment"));
        let items = form.list("line_items");
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].integer("quantity"), Some(2));
        assert_eq!(items[0].text("price_data.currency"), Some("eur"));
        assert_eq!(form.object("metadata")["a b"], "c&d");
        assert_eq!(form.texts("types"), ["x", "y"]);
    }

    #[test]
    fn a_key_that_is_both_a_value_and_a_list_does_no_harm() {
        let form = Form::parse(b"a=1&a[b]=2&[=3&]=4");

        assert_eq!(form.text("a"), Some("1"));
    }
}
