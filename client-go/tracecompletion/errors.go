package tracecompletion

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// domain is the domain of the reasons that this client knows.
const domain = "tracecompletion.v1"

// Error says why a call, or a question of a batch, failed. Get it with errors.As.
type Error struct {
	// Code is the gRPC code.
	Code codes.Code
	// Reason is the reason of the error, for use in programs. It is ERROR_REASON_UNSPECIFIED if the server
	// was not reached, gave no reason, or gave one that this client does not know. Then decide by Code.
	Reason v1.ErrorReason
	// Message is the reason of the error, for people.
	Message string
	// Violations are the faults of the request. If there are very many, the server leaves out some.
	Violations []Violation
	// RetryDelay is the time to wait before trying again. It is 0 if the server gave none.
	RetryDelay time.Duration
	// RequestID is the id of the request in the log of the server. It is empty if the server gave none.
	RequestID string

	status *status.Status
}

// Violation is one fault of a request.
type Violation struct {
	// Field is the path of the value, such as "app_spans[3].end_time_us". It is empty if the fault is about
	// the whole request.
	Field string
	// Description says what is wrong, and names the limit if there is one.
	Description string
}

// Error returns code, reason, message and request id in one line.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "tracecompletion: %s", e.Code)
	if e.Reason != v1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		fmt.Fprintf(&text, " (%s)", strings.TrimPrefix(e.Reason.String(), "ERROR_REASON_"))
	}
	fmt.Fprintf(&text, ": %s", e.Message)
	if e.RequestID != "" && !strings.Contains(e.Message, e.RequestID) {
		fmt.Fprintf(&text, " [request id %s]", e.RequestID)
	}
	return text.String()
}

// Is makes errors.Is find context.Canceled and context.DeadlineExceeded in the errors that they caused.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.status.Code() == codes.Canceled
	case context.DeadlineExceeded:
		return e.status.Code() == codes.DeadlineExceeded
	default:
		return false
	}
}

// GRPCStatus returns the status as it came from the server or from gRPC.
func (e *Error) GRPCStatus() *status.Status {
	return e.status
}

// typed turns any error into an [*Error]. An error without a status gets one, as gRPC would give it.
func typed(err error) *Error {
	return fromStatus(status.Convert(asStatus(err)))
}

// asStatus gives the errors of a context the status that belongs to them.
func asStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.FromContextError(err).Err()
}

func fromStatus(status *status.Status) *Error {
	fault := &Error{Code: status.Code(), Message: status.Message(), status: status}
	for _, detail := range status.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				fault.Reason = v1.ErrorReason(v1.ErrorReason_value[detail.GetReason()])
				fault.RequestID = detail.GetMetadata()["request_id"]
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				fault.Violations = append(fault.Violations,
					Violation{Field: violation.GetField(), Description: violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			fault.RetryDelay = detail.GetRetryDelay().AsDuration()
		}
	}
	return fault
}
