//! The rules that make links, in one table: how much each weighs, what it is called, and what it rests on.

/// Makes the enum and all that is known of each rule out of one table.
macro_rules! table {
    ($($(#[$doc:meta])* $rule:ident = $id:literal, $strength:ident;)+) => {
        /// The rule that made a link, weakest first: where parents form a ring, the link of the weakest rule
        /// is removed.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub(super) enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            /// Every rule, weakest first, in the order of the enum.
            const ALL: &[Rule] = &[$(Rule::$rule),+];

            /// Its name in explanations: a rule of the algorithm, or of the default mode (`evidence/…`,
            /// described in `docs/differences.md`).
            pub(super) fn id(self) -> &'static str {
                match self {
                    $(Rule::$rule => $id,)+
                }
            }

            /// Whether the rule rests on an id that names one call, one thread or one parent. A weak rule
            /// rests on time and trace alone, or on a choice between several candidates that fit.
            pub(super) fn is_strong(self) -> bool {
                match self {
                    $(Rule::$rule => strength!($strength),)+
                }
            }
        }
    };
}

macro_rules! strength {
    (strong) => {
        true
    };
    (weak) => {
        false
    };
}

table! {
    // The default mode.
    /// An exchange of one trace or X-Request-ID that ends where this one begins.
    Preceding = "evidence/preceding-exchange", weak;
    /// The server span of the process, of one trace.
    ServesByTraceId = "evidence/own-request-by-trace-id", weak;
    /// The innermost application span of the process around the call.
    EnclosingAppSpan = "evidence/enclosing-app-span", weak;
    /// The only request without the trace around its root for which a thread made calls with it.
    EntryWhereTraceBegins = "evidence/entry-where-trace-begins", weak;
    /// An exchange of the trace that reaches the resource of an application span.
    EntryByResource = "evidence/entry-by-resource", weak;
    /// One of several exchanges that carry the id of the named parent.
    EntryBySpanIdOfSeveral = "evidence/entry-by-span-id-of-several", weak;
    /// The request that the calls of an application span serve.
    EntryByCalls = "evidence/entry-by-calls", strong;
    /// An exchange with the same header that ends where this one begins.
    Forwarded = "evidence/forwarded-header", strong;
    /// The server span of the process, with the same header.
    ServesBySpanId = "evidence/own-request-by-span-id", strong;
    /// The server span of the process, with the same X-Request-ID.
    ServesByXRequestId = "evidence/own-request-by-x-request-id", strong;
    /// The server span of the same thread.
    ServesByThread = "evidence/own-request-by-thread", strong;
    /// The exchange that carries the id of the named parent.
    EntryBySpanId = "evidence/entry-by-span-id", strong;
    /// The application span whose id the call carries.
    CallOfAppSpan = "evidence/call-of-app-span", strong;
    // Compatibility mode, except `AppParent` and `NetworkPath`, which both modes use.
    /// A server process span and a client process span of one trace and one host.
    SystemByTraceId = "R-CONN scenario 8", weak;
    /// A path that ends on the client side and one of its trace that begins on the server side.
    NetworkByTraceId = "R-CONN scenario 7", weak;
    /// The same for the two sides of a message queue.
    MessageQueue = "R-CONN scenario 6", weak;
    /// A path that follows another in one gRPC stream.
    GrpcRequestId = "R-CONN scenario 5g", weak;
    /// A path that follows another, by X-Request-ID or span id.
    NetworkToNetwork = "R-CONN scenario 5", strong;
    /// The application span that a process span names as its parent.
    ProcessRootToApp = "R-CONN scenario 4", strong;
    /// A process span below the process span that called it, by span id, with no path between them.
    ProcessToProcess = "R-CONN scenario 3", strong;
    /// The process that serves a call, below the end of its path, by span id.
    NetworkToProcess = "R-CONN scenario 2", strong;
    /// The path of a call, below the process span that made it, by span id.
    ProcessToNetwork = "R-CONN scenario 1", strong;
    /// Another client span of the process, of the same thread or trace.
    Brother = "R-PSS-15", weak;
    /// The latest server span of the process that started before the client span and ended before its
    /// end, of one trace.
    PrecedingParent = "R-PSS-14", weak;
    /// The client end of a unix socket, around its server end.
    UnixSocketChild = "R-PSS-13b", strong;
    /// The latest server span of the process around the client span that an id ties to it.
    ProcessParent = "R-PSS-13a", strong;
    /// A server span that shares an X-Request-ID with a client span of the set.
    AttachedByXRequestId = "R-PSS-10", strong;
    /// A server span that shares a syscall trace id with a client span of the set.
    AttachedBySyscall = "R-PSS-9", strong;
    /// A system span with the span id, or the parent's, of an application span.
    AttachedBySpanId = "R-PSS-6, R-PSS-7", strong;
    /// The parent that an application span names.
    AppParent = "R-PSS-2", strong;
    /// The capture before it on the path of one exchange.
    NetworkPath = "R-NET-9", strong;
}

/// The id of every rule that an explanation can show, weakest first, and whether the rule is strong.
pub fn rules() -> impl Iterator<Item = (&'static str, bool)> {
    Rule::ALL.iter().map(|rule| (rule.id(), rule.is_strong()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_rule_once_weakest_first() {
        assert!(Rule::ALL.is_sorted_by(|a, b| a < b), "the table is in the order of the enum");
        assert_eq!(Rule::ALL.first(), Some(&Rule::Preceding));
        assert_eq!(Rule::ALL.last(), Some(&Rule::NetworkPath));
        assert_eq!(rules().count(), 31);
        let ids: std::collections::BTreeSet<&str> = rules().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), 31, "no id stands twice");
        assert_eq!(rules().filter(|(_, strong)| *strong).count(), 19);
    }

    /// A ring is opened at a weak link before a strong one of the same mode.
    #[test]
    fn weak_rules_of_the_default_mode_come_first() {
        let of_default = rules().filter(|(id, _)| id.starts_with("evidence/"));
        let strengths: Vec<bool> = of_default.map(|(_, strong)| strong).collect();
        assert!(strengths.is_sorted(), "{strengths:?}");
        assert_eq!(strengths.len(), 13);
    }
}
