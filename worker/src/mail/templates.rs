//! Templates and words: those in the binary, and those of a folder of the merchant's in their place.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use minijinja::{
    Environment, TemplateSource, UndefinedBehavior, context, path_loader,
    value::{Serde, Value},
};

use crate::{
    mail::{document::MailKind, facts::Facts, sample, shop::Shop, words::Words},
    notifications::failure::Failure,
};

const TEMPLATES: [(&str, &str); 3] = [
    ("buyer.txt", include_str!("../../mail/buyer.txt")),
    ("buyer.html", include_str!("../../mail/buyer.html")),
    ("merchant.txt", include_str!("../../mail/merchant.txt")),
];
const WORDS: [(&str, &str); 4] = [
    ("en.json", include_str!("../../mail/words/en.json")),
    ("de.json", include_str!("../../mail/words/de.json")),
    ("fr.json", include_str!("../../mail/words/fr.json")),
    ("es.json", include_str!("../../mail/words/es.json")),
];
/// If a buyer's language has no words.
const FALLBACK: &str = "en";

/// What mails are made of.
#[derive(Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    by_language: BTreeMap<String, Words>,
    fallback: Words,
}

impl Templates {
    /// - `folder`: its `buyer.txt`, `buyer.html`, `merchant.txt` and `words/LANGUAGE.json`, as far as they are
    ///   there, take the place of ours.
    ///
    /// # Errors
    ///
    /// What is wrong with a file.
    pub fn load(folder: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = folder.filter(|it| !it.is_dir()) {
            return Err(format!("there is no folder {}", folder.display()));
        }
        let mut by_language = BTreeMap::new();
        for (name, json) in WORDS {
            let words = Words::parse(json).map_err(|error| format!("words/{name}: {error}"))?;
            by_language.insert(words.language().to_owned(), words);
        }
        if let Some(folder) = folder {
            read_words(&folder.join("words"), &mut by_language)?;
        }
        let fallback = by_language.get(FALLBACK).cloned();
        Ok(Self {
            environment: Arc::new(environment(folder)),
            fallback: fallback.ok_or("there are no words in English")?,
            by_language,
        })
    }

    /// Fills every template in every language, with all there may be and with the least.
    ///
    /// # Errors
    ///
    /// What cannot be filled, and where.
    pub fn check(&self, shop: &Shop) -> Result<(), String> {
        for words in self.by_language.values() {
            for kind in MailKind::ALL {
                if words.subject(kind).is_empty() {
                    let (language, kind) = (words.language(), kind.as_str());
                    return Err(format!("words/{language}.json: no kinds.{kind}.subject"));
                }
                for document in [sample::full(), sample::least()] {
                    let facts = Facts::new(&document, kind, words, shop);
                    for (name, _) in TEMPLATES {
                        self.try_render(name, words, &facts)
                            .map_err(|error| error.to_string())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The words of the language that `locale` begins with.
    pub fn words(&self, locale: Option<&str>) -> &Words {
        let language = locale.and_then(|it| it.split(['-', '_']).next());
        let language = language.map(str::to_ascii_lowercase);
        let words = language.and_then(|it| self.by_language.get(&it));
        words.unwrap_or(&self.fallback)
    }

    /// Fills the template `name`.
    pub fn render(&self, name: &str, words: &Words, facts: &Facts) -> Result<String, Failure> {
        self.try_render(name, words, facts).map_err(|error| {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(error, "A template cannot be filled");
            Failure::for_good("a template cannot be filled; see the log")
        })
    }

    fn try_render(
        &self,
        name: &str,
        words: &Words,
        facts: &Facts,
    ) -> Result<String, minijinja::Error> {
        let template = self.environment.get_template(name)?;
        let words = Value::from(Serde(&words.all));
        template.render(context! { words, ..Value::from(Serde(facts)) })
    }
}

fn environment(folder: Option<&Path>) -> Environment<'static> {
    let mut environment = Environment::new();
    // What is not there is a mistake, and is found at start.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let own = folder.map(path_loader);
    environment.set_loader(move |name| {
        if let Some(own) = &own
            && let Some(source) = own(name)?
        {
            return Ok(Some(source));
        }
        let found = TEMPLATES.iter().find(|(it, _)| *it == name);
        Ok(found.map(|(_, source)| TemplateSource::new(*source)))
    });
    environment
}

/// Languages of ours in other words, and other languages.
fn read_words(folder: &Path, by_language: &mut BTreeMap<String, Words>) -> Result<(), String> {
    let Ok(files) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for file in files.flatten() {
        let path = file.path();
        if path.extension().is_none_or(|it| it != "json") {
            continue;
        }
        let name = path.display();
        let json = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let words = Words::parse(&json).map_err(|error| format!("{name}: {error}"))?;
        by_language.insert(words.language().to_owned(), words);
    }
    Ok(())
}
