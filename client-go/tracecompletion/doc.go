// Package tracecompletion is a client of Trace Completion. It sends a few application spans of one trace, and
// gets back one call tree: these spans together with the system and network spans that DeepFlow recorded
// around them.
//
// Many goroutines can use one [Client] at the same time, and one client per process is enough. The defaults
// are made for an APM in the same cluster:
//
//   - A call whose context has no deadline gets a deadline of 30 seconds.
//   - If the server cannot be reached, the call waits for it until the deadline. A call that fails with
//     UNAVAILABLE is tried again after a short random pause. If the server is busy, the call is tried again
//     when the server says.
//   - Calls are spread over all addresses of the target.
//   - An answer may have up to 64 MiB.
//   - Every error is an [*Error] with a reason, the faults of the request and the request id.
//
// The messages are in the package
// github.com/trace-completion/trace-completion/client-go/tracecompletion/v1.
package tracecompletion
