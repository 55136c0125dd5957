// Conformance is the Go client's door of the conformance matrix: it asks each case of the server through
// the client, and compares every field of the answer, or the typed error.
//
// Environment: CONFORMANCE_TARGET is the server, CONFORMANCE_CASES the folder of the cases, and
// CONFORMANCE_REPORT the file to write a line about each case into.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/cases"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/compare"
)

func main() {
	cases.Main(func(target string) (func(context.Context, *cases.Case) error, func(), error) {
		client, err := tracecompletion.New(target)
		if err != nil {
			return nil, nil, err
		}
		door := func(ctx context.Context, c *cases.Case) error { return check(ctx, client, c) }
		return door, func() { client.Close() }, nil
	})
}

func check(ctx context.Context, client *tracecompletion.Client, c *cases.Case) error {
	request := &v1.CompleteTraceRequest{}
	if err := protojson.Unmarshal(c.Request, request); err != nil {
		return fmt.Errorf("the request of the case: %w", err)
	}
	answer, err := client.Complete(ctx, request)
	if c.Error != nil {
		return checkError(err, c.Error)
	}
	if err != nil {
		return err
	}
	return checkAnswer(answer, c)
}

// checkAnswer compares what the client has in hand, printed with every field that the contract knows.
func checkAnswer(answer *v1.CompleteTraceResponse, c *cases.Case) error {
	unknown, err := unknownFields(answer)
	if err != nil {
		return err
	}
	if unknown > 0 {
		return fmt.Errorf("the answer has %d bytes that the client does not know", unknown)
	}
	wanted, err := c.Wanted()
	if err != nil {
		return err
	}
	printed, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(answer)
	if err != nil {
		return err
	}
	got, err := compare.Parse(printed)
	if err != nil {
		return err
	}
	got = cases.Steady(compare.Unquoted(got, answer.ProtoReflect().Descriptor()))
	return cases.Differs("the answer", compare.Differences(got, wanted))
}

// unknownFields counts the bytes of an answer that the generated code does not know, and so does not print.
func unknownFields(answer proto.Message) (count int, err error) {
	bytes, err := proto.Marshal(answer)
	if err != nil {
		return 0, err
	}
	known := answer.ProtoReflect().New().Interface()
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(bytes, known); err != nil {
		return 0, err
	}
	return len(bytes) - proto.Size(known), nil
}

// checkError compares the typed error, which all callers of the client branch on.
func checkError(err error, want *cases.Error) error {
	var fault *tracecompletion.Error
	if !errors.As(err, &fault) {
		return fmt.Errorf("%T (%v), want a typed error: %s", err, err, want.Code) //nolint:errorlint // it may be nil
	}
	reason, known := v1.ErrorReason_value[want.Reason]
	if !known {
		return fmt.Errorf("the reason of the case, %s, is none of the contract", want.Reason)
	}
	var violations []cases.Violation
	for _, violation := range fault.Violations {
		violations = append(violations, cases.Violation(violation))
	}
	switch {
	case fault.Code != want.Code:
		return fmt.Errorf("code %s, want %s", fault.Code, want.Code)
	case fault.Reason != v1.ErrorReason(reason):
		return fmt.Errorf("reason %s, want %s", fault.Reason, want.Reason)
	case !slices.Equal(violations, want.Violations):
		return fmt.Errorf("violations %+v, want %+v", violations, want.Violations)
	case fault.RequestID == "":
		return errors.New("the error names no request")
	default:
		return nil
	}
}
