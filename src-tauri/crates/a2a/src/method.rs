//! The methods that have a counterpart in the other dialect (40 §10.1).

use crate::version::Dialect;

/// A method that both dialects know. All others are passed through untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `message/send`, `SendMessage`: one request, one answer.
    Send,
    /// `message/stream`, `SendStreamingMessage`: the answer is a stream of events.
    Stream,
    /// `tasks/get`, `GetTask`.
    GetTask,
    /// `tasks/cancel`, `CancelTask`.
    CancelTask,
    /// `tasks/resubscribe`, `SubscribeToTask`: events of a task that runs already.
    Subscribe,
    /// `tasks/pushNotificationConfig/set`, `CreateTaskPushNotificationConfig`.
    SetPush,
    /// `tasks/pushNotificationConfig/get`, `GetTaskPushNotificationConfig`.
    GetPush,
    /// `tasks/pushNotificationConfig/list`, `ListTaskPushNotificationConfigs`.
    ListPush,
    /// `tasks/pushNotificationConfig/delete`, `DeleteTaskPushNotificationConfig`.
    DeletePush,
}

impl Method {
    /// Every method of the table.
    pub const ALL: [Self; 9] = [
        Self::Send,
        Self::Stream,
        Self::GetTask,
        Self::CancelTask,
        Self::Subscribe,
        Self::SetPush,
        Self::GetPush,
        Self::ListPush,
        Self::DeletePush,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::V03 => match self {
                Self::Send => "message/send",
                Self::Stream => "message/stream",
                Self::GetTask => "tasks/get",
                Self::CancelTask => "tasks/cancel",
                Self::Subscribe => "tasks/resubscribe",
                Self::SetPush => "tasks/pushNotificationConfig/set",
                Self::GetPush => "tasks/pushNotificationConfig/get",
                Self::ListPush => "tasks/pushNotificationConfig/list",
                Self::DeletePush => "tasks/pushNotificationConfig/delete",
            },
            Dialect::V1 => match self {
                Self::Send => "SendMessage",
                Self::Stream => "SendStreamingMessage",
                Self::GetTask => "GetTask",
                Self::CancelTask => "CancelTask",
                Self::Subscribe => "SubscribeToTask",
                Self::SetPush => "CreateTaskPushNotificationConfig",
                Self::GetPush => "GetTaskPushNotificationConfig",
                Self::ListPush => "ListTaskPushNotificationConfigs",
                Self::DeletePush => "DeleteTaskPushNotificationConfig",
            },
        }
    }

    /// The method of this name and the dialect that names it so.
    #[must_use]
    pub fn parse(name: &str) -> Option<(Self, Dialect)> {
        [Dialect::V03, Dialect::V1].into_iter().find_map(|dialect| {
            let method = Self::ALL.into_iter().find(|method| method.name(dialect) == name)?;
            Some((method, dialect))
        })
    }

    /// Whether its answer is a stream of events.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(self, Self::Stream | Self::Subscribe)
    }
}

/// The dialect that a method name belongs to; `None` where neither knows such names. Unlike
/// [`Method::parse`] this also knows names that have no counterpart (`ListTasks`, `tasks/list`).
#[must_use]
pub fn dialect_of(name: &str) -> Option<Dialect> {
    if let Some((_, dialect)) = Method::parse(name) {
        return Some(dialect);
    }
    match name {
        "ListTasks" | "GetExtendedAgentCard" => Some(Dialect::V1),
        _ if name.starts_with("message/") || name.starts_with("tasks/") || name.starts_with("agent/") => {
            Some(Dialect::V03)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Method, dialect_of};

    #[test]
    fn every_name_leads_back_to_its_method() {
        for method in Method::ALL {
            for dialect in [Dialect::V03, Dialect::V1] {
                assert_eq!(Method::parse(method.name(dialect)), Some((method, dialect)));
                assert_eq!(dialect_of(method.name(dialect)), Some(dialect));
            }
        }
        assert_eq!(Method::parse("tasks/list"), None);
        assert_eq!(Method::parse(""), None);
    }

    #[test]
    fn names_without_a_counterpart_still_have_a_dialect() {
        assert_eq!(dialect_of("ListTasks"), Some(Dialect::V1));
        assert_eq!(dialect_of("tasks/list"), Some(Dialect::V03));
        assert_eq!(dialect_of("sendmessage"), None);
        assert_eq!(dialect_of(""), None);
    }

    #[test]
    fn two_methods_stream() {
        let streaming: Vec<_> = Method::ALL.into_iter().filter(|method| method.streams()).collect();
        assert_eq!(streaming, [Method::Stream, Method::Subscribe]);
    }
}
