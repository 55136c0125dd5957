package main

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/cases"
)

func TestAnAnswerIsComparedInEveryField(t *testing.T) {
	answer := &v1.CompleteTraceResponse{OptStatus: "SUCCESS", Data: &v1.CompletedTrace{
		HostClockCorrection: map[string]int64{"1": 2},
	}}
	const body = `{"OPT_STATUS": "SUCCESS", "DESCRIPTION": "",
		"DATA": {"tracing": [], "host_clock_correction": {"1": 2}, "explanation": null}}`
	for _, c := range []struct{ old, new, fault string }{
		{"", "", ""},
		{`"1": 2`, `"1": 3`, "DATA.host_clock_correction.1: 2, want 3"},
		{`"DESCRIPTION": "",`, ``, "DESCRIPTION: \"\", want no such key"},
		{`"tracing": []`, `"tracing": [{}]`, "DATA.tracing: 0 elements, want 1"},
	} {
		err := checkAnswer(answer, &cases.Case{Answer: []byte(strings.Replace(body, c.old, c.new, 1))})
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v, want %q", err, c.fault)
		}
	}
	newer := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)
	answer.GetData().ProtoReflect().SetUnknown(newer)
	if err := checkAnswer(answer, &cases.Case{Answer: []byte(body)}); err == nil {
		t.Error("a field that the client does not know was not found")
	}
}

func TestAnErrorIsComparedInFull(t *testing.T) {
	fault := tracecompletion.Error{
		Code: codes.InvalidArgument, Reason: v1.ErrorReason_ERROR_REASON_INVALID_REQUEST, RequestID: "7",
		Violations: []tracecompletion.Violation{{Field: "a", Description: "b"}},
	}
	want := &cases.Error{
		Code: codes.InvalidArgument, Reason: "ERROR_REASON_INVALID_REQUEST",
		Violations: []cases.Violation{{Field: "a", Description: "b"}},
	}
	if err := checkError(&fault, want); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*tracecompletion.Error){
		"code":       func(e *tracecompletion.Error) { e.Code = codes.Internal },
		"reason":     func(e *tracecompletion.Error) { e.Reason = v1.ErrorReason_ERROR_REASON_INTERNAL },
		"violations": func(e *tracecompletion.Error) { e.Violations = nil },
		"request":    func(e *tracecompletion.Error) { e.RequestID = "" },
	} {
		changed := fault
		change(&changed)
		if err := checkError(&changed, want); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, err := range []error{nil, errors.New("no typed error")} {
		if checkError(err, want) == nil {
			t.Errorf("%v passes for an error", err)
		}
	}
}
