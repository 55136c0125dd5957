// Package tracecompletion is a client of Trace Completion: it sends a few application spans of one trace,
// and gets them back together with the system and network spans that DeepFlow recorded around them, as one
// call tree.
//
// A [Client] is safe for use by many goroutines, and one per process is enough. Its defaults suit an APM in
// the same cluster:
//
//   - a call whose context has no deadline gets one of 30 seconds;
//   - a server that cannot be reached is waited for up to the deadline, and what fails with UNAVAILABLE is
//     asked again after a jittered pause; a server that is busy is asked again when it says so;
//   - calls go round all addresses of the target, and answers of up to 64 MiB are taken;
//   - an error is an [*Error], with a reason, the faults of the request and the id of the request.
//
// Messages are those of the package
// github.com/trace-completion/trace-completion/client-go/tracecompletion/v1.
package tracecompletion
