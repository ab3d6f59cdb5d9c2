//! Signatures: the settings behind a score, as sacreBLEU writes them.

use std::fmt;

/// The version of sacreBLEU the fixtures of this crate come from, and the `version` of every signature.
pub const SACREBLEU_VERSION: &str = "2.6.0";

/// The two spellings of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`
    #[default]
    Long,
    /// `#:1|c:mixed|e:no|tok:13a|s:exp|v:2.6.0`
    Short,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    long: &'static str,
    short: &'static str,
    value: String,
}

/// The settings of a metric, in sacreBLEU's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    references: usize,
    /// Number of resamples, and their seed.
    resampling: Option<(usize, u64)>,
    settings: Vec<Field>,
}

impl Signature {
    /// A signature for a score against `references` references, with the fields of one metric as
    /// `(long name, short name, value)`.
    pub(crate) fn new<const FIELDS: usize>(
        references: usize,
        settings: [(&'static str, &'static str, String); FIELDS],
    ) -> Self {
        let settings =
            settings.into_iter().map(|(long, short, value)| Field { long, short, value }).collect();
        Signature { references, resampling: None, settings }
    }

    /// The same for a score that comes with so many resamples: adds `bs` and `seed`.
    pub(crate) fn with_resampling(mut self, samples: usize, seed: u64) -> Self {
        self.resampling = Some((samples, seed));
        self
    }

    /// The signature in one of its spellings.
    pub fn format(&self, form: Form) -> String {
        self.fields()
            .iter()
            .map(|field| match form {
                Form::Long => format!("{}:{}", field.long, field.value),
                Form::Short => format!("{}:{}", field.short, field.value),
            })
            .collect::<Vec<_>>()
            .join("|")
    }

    /// Every field under its long name, in order.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        self.fields().into_iter().map(|field| (field.long, field.value)).collect()
    }

    fn fields(&self) -> Vec<Field> {
        let field = |long, short, value| Field { long, short, value };
        let mut fields = vec![field("nrefs", "#", self.references.to_string())];
        if let Some((samples, seed)) = self.resampling {
            fields.push(field("bs", "bs", samples.to_string()));
            fields.push(field("seed", "rs", seed.to_string()));
        }
        fields.extend(self.settings.iter().cloned());
        fields.push(field("version", "v", SACREBLEU_VERSION.to_owned()));
        fields
    }
}

impl fmt::Display for Signature {
    /// The long form.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format(Form::Long))
    }
}
