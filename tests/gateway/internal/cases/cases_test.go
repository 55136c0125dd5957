package cases_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/trace-completion/trace-completion/tests/gateway/internal/cases"
	"github.com/trace-completion/trace-completion/tests/gateway/internal/compare"
)

const good = `{"about": "a case", "request": {"app_spans": []}, "answer": {}}`

// folder is one with these files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// run gives the report and the error.
func run(t *testing.T, folder string, door func(context.Context, *cases.Case) error) (string, error) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	err := cases.Run(folder, report, io.Discard, door)
	text, readErr := os.ReadFile(report)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text), err
}

func passes(context.Context, *cases.Case) error { return nil }

func TestTheReportNamesEveryCaseInOrder(t *testing.T) {
	in := folder(t, map[string]string{"b-2.json": good, "b.json": good, "a.json": good, "notes.md": "no case"})
	report, err := run(t, in, func(_ context.Context, c *cases.Case) error {
		if c.Name == "b-2" {
			return errors.New("one\n  two")
		}
		return nil
	})
	if want := "ok a\nok b\nfail b-2: one two\n"; report != want {
		t.Errorf("%q, want %q", report, want)
	}
	if err == nil {
		t.Error("a case failed, and the run did not")
	}
	if report, err := run(t, in, passes); err != nil || report != "ok a\nok b\nok b-2\n" {
		t.Errorf("%q %v", report, err)
	}
}

func TestNoCaseIsAFailure(t *testing.T) {
	if _, err := run(t, folder(t, nil), passes); err == nil {
		t.Error("it is not")
	}
}

func TestACaseThatCannotBeReadIsAFailure(t *testing.T) {
	for what, text := range map[string]string{
		"no JSON":              `{`,
		"two":                  good + good,
		"a misspelt key":       `{"request": {}, "anwser": {}, "answer": {}}`,
		"no request":           `{"answer": {}}`,
		"nothing to expect":    `{"request": {}}`,
		"answer and error":     `{"request": {}, "answer": {}, "error": {"code": "INTERNAL"}}`,
		"an unknown code":      `{"request": {}, "error": {"code": "WRONG"}}`,
		"an unknown error key": `{"request": {}, "error": {"code": "INTERNAL", "status": 500}}`,
	} {
		if report, err := run(t, folder(t, map[string]string{"a.json": text}), passes); err == nil {
			t.Errorf("%s: %s", what, report)
		}
	}
}

func TestAnError(t *testing.T) {
	in := folder(t, map[string]string{"a.json": `{"request": {}, "error": {"code": "INVALID_ARGUMENT",
		"reason": "R", "http": 400, "opt_status": "O", "violations": [{"field": "f", "description": "d"}]}}`})
	_, err := run(t, in, func(_ context.Context, c *cases.Case) error {
		if c.Error.Code != codes.InvalidArgument || c.Error.HTTP != 400 || c.Error.Violations[0].Field != "f" {
			t.Errorf("%+v", c.Error)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Only what is measured is left out, and only where it is a number.
func TestSteady(t *testing.T) {
	const (
		quoted = `{"DATA": {"explanation": {"search": [{"elapsed_us": "7"}, {}]}}}`
		above  = `{"DATA": {"elapsed_us": 7, "explanation": null}}`
	)
	for _, c := range []struct{ before, after string }{
		{
			`{"DATA": {"explanation": {"search": [{"elapsed_us": 7, "read_rows": 8, "rows": 9}]}}}`,
			`{"DATA": {"explanation": {"search": [{"elapsed_us": 0, "read_rows": 0, "rows": 9}]}}}`,
		},
		{quoted, quoted},
		{above, above},
		{`[]`, `[]`},
	} {
		value, err := compare.Parse([]byte(c.before))
		if err != nil {
			t.Fatal(err)
		}
		want, err := compare.Parse([]byte(c.after))
		if err != nil {
			t.Fatal(err)
		}
		if found := compare.Differences(cases.Steady(value), want); len(found) != 0 {
			t.Errorf("%s: %v", c.before, found)
		}
	}
}
