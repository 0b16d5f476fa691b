//! Parts: pieces of a message, told apart by `kind`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use super::Members;

/// The kinds that this crate knows; each is also the name of the field with the content.
const KINDS: [&str; 3] = ["text", "file", "data"];

/// One piece of a message or an artifact.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// About the part.
        metadata: Option<Members>,
        /// Members that this crate does not know.
        extra: Members,
    },
    /// A file.
    File {
        /// Where it is or what it holds.
        file: FilePart,
        /// About the part.
        metadata: Option<Members>,
        /// Members that this crate does not know.
        extra: Members,
    },
    /// Something structured.
    Data {
        /// Mostly an object.
        data: Value,
        /// About the part.
        metadata: Option<Members>,
        /// Members that this crate does not know.
        extra: Members,
    },
    /// A part of a kind that this crate does not know, as it came.
    Other(Members),
}

/// The `file` of a file part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePart {
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Where it is, or what it holds.
    #[serde(flatten)]
    pub content: FileContent,
    /// Members that this crate does not know; `size` among them.
    #[serde(flatten)]
    pub extra: Members,
}

/// Where a file is, or what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileContent {
    /// An address; files of this platform are `workspace:/workspace/.molecule/chat-uploads/<stored>`.
    Uri(String),
    /// The bytes in base64.
    Bytes(String),
}

impl Part {
    /// Words.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), metadata: None, extra: Members::new() }
    }

    /// Something structured.
    #[must_use]
    pub fn data(data: Value) -> Self {
        Self::Data { data, metadata: None, extra: Members::new() }
    }

    /// A file that lies at an address.
    #[must_use]
    pub fn file(uri: impl Into<String>, name: Option<String>, mime_type: Option<String>) -> Self {
        let file = FilePart { name, mime_type, content: FileContent::Uri(uri.into()), extra: Members::new() };
        Self::File { file, metadata: None, extra: Members::new() }
    }

    /// The words of a text part.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What a data part holds.
    #[must_use]
    pub const fn as_data(&self) -> Option<&Value> {
        match self {
            Self::Data { data, .. } => Some(data),
            _ => None,
        }
    }

    /// The file of a file part.
    #[must_use]
    pub const fn as_file(&self) -> Option<&FilePart> {
        match self {
            Self::File { file, .. } => Some(file),
            _ => None,
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, content, metadata, extra) = match self {
            Self::Other(members) => return members.serialize(serializer),
            Self::Text { text, metadata, extra } => ("text", Value::from(text.as_str()), metadata, extra),
            Self::File { file, metadata, extra } => {
                ("file", serde_json::to_value(file).map_err(serde::ser::Error::custom)?, metadata, extra)
            }
            Self::Data { data, metadata, extra } => ("data", data.clone(), metadata, extra),
        };
        let mut members = Members::new();
        members.insert("kind".to_owned(), kind.into());
        members.insert(kind.to_owned(), content);
        if let Some(metadata) = metadata {
            members.insert("metadata".to_owned(), Value::Object(metadata.clone()));
        }
        members.extend(extra.clone());
        members.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Part {
    /// The kind is `kind`, else `type`, else whichever of `text`, `file` and `data` is there: `kind`
    /// has text as its default (40 §10.1), and v1 has no discriminator.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Members::deserialize(deserializer)?;
        let named = |name| members.get(name).and_then(Value::as_str);
        let kind = match named("kind").or_else(|| named("type")) {
            Some(said) => KINDS.into_iter().find(|kind| *kind == said),
            None => KINDS.into_iter().find(|kind| members.contains_key(*kind)),
        };
        let Some(kind) = kind else { return Ok(Self::Other(members)) };
        let Some(content) = members.shift_remove(kind) else {
            return Err(D::Error::custom(format_args!("a part of kind {kind} needs the field {kind}")));
        };
        members.shift_remove("kind");
        if members.get("type").and_then(Value::as_str) == Some(kind) {
            members.shift_remove("type");
        }
        let metadata = match members.shift_remove("metadata") {
            Some(Value::Object(metadata)) => Some(metadata),
            _ => None,
        };
        match kind {
            "file" => {
                let file = FilePart::deserialize(content).map_err(D::Error::custom)?;
                Ok(Self::File { file, metadata, extra: members })
            }
            "data" => Ok(Self::Data { data: content, metadata, extra: members }),
            _ => {
                let Value::String(text) = content else {
                    return Err(D::Error::custom("the field text of a part must be a string"));
                };
                Ok(Self::Text { text, metadata, extra: members })
            }
        }
    }
}
