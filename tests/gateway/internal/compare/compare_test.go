package compare_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/wrapperspb"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/compare"
)

// documented is an answer as the REST door prints it, with a value of each kind that an answer has.
const documented = `{"OPT_STATUS": "SUCCESS", "DESCRIPTION": "", "DATA": {
	"tracing": [
		{"start_time_us": 1767262830402190, "flow_id": "7", "vtap_id": 3, "response_code": 200, "_ids": ["1", "2"]},
		{"start_time_us": 1767262830402191, "flow_id": "0", "vtap_id": 0, "response_code": null, "_ids": []}
	],
	"host_clock_correction": {"3": -250},
	"explanation": {"search": [{"iteration": 0, "rows": 12, "truncated": false}]}}}`

// quoted is the same as the JSON of protobuf has it.
const quoted = `{"OPT_STATUS": "SUCCESS", "DESCRIPTION": "", "DATA": {
	"tracing": [
		{"start_time_us": "1767262830402190", "flow_id": "7", "vtap_id": 3, "response_code": 200, "_ids": ["1", "2"]},
		{"start_time_us": "1767262830402191", "flow_id": "0", "vtap_id": 0, "response_code": null, "_ids": []}
	],
	"host_clock_correction": {"3": "-250"},
	"explanation": {"search": [{"iteration": 0, "rows": "12", "truncated": false}]}}}`

var message = (&v1.CompleteTraceResponse{}).ProtoReflect().Descriptor()

func parse(t *testing.T, text string) any {
	t.Helper()
	value, err := compare.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

func TestQuoted64BitIntegersAreNoDifference(t *testing.T) {
	found := compare.Differences(compare.Unquoted(parse(t, quoted), message), parse(t, documented))
	if len(found) != 0 {
		t.Error(found)
	}
}

// Each change of the quoted answer is found, and nothing else.
func TestDifferencesAreFound(t *testing.T) {
	for what, c := range map[string]struct{ old, new, want string }{
		"a changed number": {
			`"vtap_id": 3`, `"vtap_id": 4`, `DATA.tracing[0].vtap_id: 4, want 3`,
		},
		"the last digit of a 64-bit integer": {
			`"1767262830402190"`, `"1767262830402189"`,
			`DATA.tracing[0].start_time_us: 1767262830402189, want 1767262830402190`,
		},
		"a changed string": {`"SUCCESS"`, `"PARTIAL_RESULT"`, `OPT_STATUS: "PARTIAL_RESULT", want "SUCCESS"`},
		"a missing key":    {`"vtap_id": 3, `, ``, `DATA.tracing[0].vtap_id: missing, want 3`},
		"a missing null":   {`"response_code": null, `, ``, `DATA.tracing[1].response_code: missing, want null`},
		"a key too many":   {`"vtap_id": 3`, `"vtap_id": 3, "extra": null`, `DATA.tracing[0].extra: null, want no such key`},
		"a quoted number where 32 bits are enough": {
			`"vtap_id": 3`, `"vtap_id": "3"`, `DATA.tracing[0].vtap_id: "3", want 3`,
		},
		"a quoted number in a wrapper": {
			`"response_code": 200`, `"response_code": "200"`, `DATA.tracing[0].response_code: "200", want 200`,
		},
		"a number where a string of digits is": {
			`"flow_id": "7"`, `"flow_id": 7`, `DATA.tracing[0].flow_id: 7, want "7"`,
		},
		"zero for null": {`"response_code": null`, `"response_code": 0`, `DATA.tracing[1].response_code: 0, want null`},
		"a 64-bit integer written otherwise": {
			`"rows": "12"`, `"rows": "012"`, `DATA.explanation.search[0].rows: "012", want 12`,
		},
		"a 64-bit integer of a map": {
			`"-250"`, `"250"`, `DATA.host_clock_correction.3: 250, want -250`,
		},
		"a reordered list": {
			`"_ids": ["1", "2"]`, `"_ids": ["2", "1"]`,
			"DATA.tracing[0]._ids[0]: \"2\", want \"1\"\nDATA.tracing[0]._ids[1]: \"1\", want \"2\"",
		},
		"a shorter list": {`"_ids": ["1", "2"]`, `"_ids": ["1"]`, `DATA.tracing[0]._ids: 1 elements, want 2`},
		"null for an empty list": {
			`"_ids": []`, `"_ids": null`, `DATA.tracing[1]._ids: null, want []`,
		},
		"another kind": {`{"3": "-250"}`, `[]`, `DATA.host_clock_correction: [], want {"3":-250}`},
	} {
		changed := strings.Replace(quoted, c.old, c.new, 1)
		if changed == quoted {
			t.Errorf("%s: nothing was changed", what)
		}
		found := compare.Differences(compare.Unquoted(parse(t, changed), message), parse(t, documented))
		if got := strings.Join(found, "\n"); got != c.want {
			t.Errorf("%s: found %q, want %q", what, got, c.want)
		}
	}
}

func TestReorderedSpansAreFound(t *testing.T) {
	value := compare.Unquoted(parse(t, quoted), message).(map[string]any)
	slices.Reverse(value["DATA"].(map[string]any)["tracing"].([]any))
	if len(compare.Differences(value, parse(t, documented))) == 0 {
		t.Error("they are not")
	}
}

// What protobuf itself prints of every field with 64 bits is understood.
func TestUnquotedKnowsAllThatProtobufQuotes(t *testing.T) {
	answer := &v1.CompleteTraceResponse{Data: &v1.CompletedTrace{
		Tracing:             []*v1.Span{{Duration: 1, ResponseCode: wrapperspb.Int32(2)}},
		HostClockCorrection: map[string]int64{"3": 3},
		Explanation:         &v1.Explanation{Clocks: []*v1.ClockReason{{CorrectionUs: 4}}},
	}}
	printed, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	value := compare.Unquoted(parse(t, string(printed)), message)
	want := parse(t, `{"duration": 1, "end_time_us": 0, "req_tcp_seq": 0, "auto_service_id": 0, "response_code": 2}`)
	span := value.(map[string]any)["DATA"].(map[string]any)["tracing"].([]any)[0].(map[string]any)
	for key, wanted := range want.(map[string]any) {
		if found := compare.Differences(span[key], wanted); len(found) != 0 {
			t.Errorf("%s%s", key, found)
		}
	}
	data := value.(map[string]any)["DATA"].(map[string]any)
	rest := map[string]any{"c": data["host_clock_correction"], "e": data["explanation"].(map[string]any)["clocks"]}
	found := compare.Differences(rest, parse(t, `{"c": {"3": 3}, "e": [{"agent": "", "correction_us": 4,
		"parent_deepflow_span_id": "", "child_deepflow_span_id": ""}]}`))
	if len(found) != 0 {
		t.Error(found)
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{``, `{`, `{} {}`, `{"a": 1} x`} {
		if _, err := compare.Parse([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
