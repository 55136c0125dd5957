// Package cases is what the doors of the conformance matrix share: the cases, and the report on them.
package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/trace-completion/trace-completion/tests/gateway/internal/compare"
)

// patience bounds one case: the server itself answers or fails within 30 s.
const patience = 60 * time.Second

// Case is one question, and what must come of it at every door: an answer or an error.
type Case struct {
	// Name is that of its file, without the ending.
	Name string `json:"-"`
	// About says what it shows.
	About string `json:"about"`
	// Request is the body of the REST call.
	Request json.RawMessage `json:"request"`
	// Answer is the body of the REST answer.
	Answer json.RawMessage `json:"answer"`
	// Error is why there is no answer.
	Error *Error `json:"error"`
}

// Error is why a question has no answer.
type Error struct {
	// Code is the gRPC code.
	Code codes.Code `json:"code"`
	// Reason is the name of an ErrorReason.
	Reason string `json:"reason"`
	// HTTP is the status at the REST door.
	HTTP int `json:"http"`
	// OptStatus is OPT_STATUS at the REST door.
	OptStatus string `json:"opt_status"`
	// Violations are the faults of the request, in this order.
	Violations []Violation `json:"violations"`
}

// Violation is one fault of a request.
type Violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// Wanted is the answer of the case.
func (c *Case) Wanted() (any, error) {
	wanted, err := compare.Parse(c.Answer)
	if err != nil {
		return nil, fmt.Errorf("the answer of the case: %w", err)
	}
	return Steady(wanted), nil
}

func read(path string) (*Case, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// A misspelt key would make a case that proves nothing.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	result := &Case{}
	if err := decoder.Decode(result); err != nil {
		return nil, err
	}
	switch {
	case decoder.More():
		return nil, errors.New("there is more after the case")
	case result.Request == nil:
		return nil, errors.New("it has no request")
	case (result.Answer == nil) == (result.Error == nil):
		return nil, errors.New("it must have either an answer or an error")
	}
	return result, nil
}

// Run puts every case of a folder to a door, and writes one line about each into the report. It fails where
// a case did, and where there is none.
func Run(folder, report string, log io.Writer, door func(context.Context, *Case) error) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var names []string
	for _, entry := range entries {
		if name, isCase := strings.CutSuffix(entry.Name(), ".json"); isCase {
			names = append(names, name)
		}
	}
	// By name: those of the files are in another order, as their ending is compared too.
	slices.Sort(names)
	var lines strings.Builder
	failed := 0
	for _, name := range names {
		if err := one(filepath.Join(folder, name+".json"), name, door); err != nil {
			failed++
			why := strings.Join(strings.Fields(err.Error()), " ")
			fmt.Fprintf(&lines, "fail %s: %s\n", name, why)
			fmt.Fprintf(log, "%s: %v\n", name, err)
		} else {
			fmt.Fprintf(&lines, "ok %s\n", name)
		}
	}
	if err := os.WriteFile(report, []byte(lines.String()), 0o644); err != nil {
		return err
	}
	switch {
	case len(names) == 0:
		return fmt.Errorf("there is no case in %s", folder)
	case failed > 0:
		return fmt.Errorf("%d of %d cases failed", failed, len(names))
	default:
		return nil
	}
}

func one(path, name string, door func(context.Context, *Case) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := read(path)
	if err != nil {
		return err
	}
	c.Name = name
	return door(ctx, c)
}

// Main is the program of a door, which open makes for the server at target. It ends the process.
func Main(open func(target string) (door func(context.Context, *Case) error, done func(), err error)) {
	err := func() error {
		var values [3]string
		for i, name := range []string{"CONFORMANCE_TARGET", "CONFORMANCE_CASES", "CONFORMANCE_REPORT"} {
			if values[i] = os.Getenv(name); values[i] == "" {
				return fmt.Errorf("%s is not set", name)
			}
		}
		door, done, err := open(values[0])
		if err != nil {
			return err
		}
		defer done()
		return Run(values[1], values[2], os.Stderr, door)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Differs is an error that lists the differences, nil where there is none. It tells the first few: where a
// list is shifted by one, all of it differs.
func Differs(what string, differences []string) error {
	const most = 10
	if len(differences) == 0 {
		return nil
	}
	more := ""
	if rest := len(differences) - most; rest > 0 {
		differences, more = differences[:most], fmt.Sprintf("; and %d more", rest)
	}
	return fmt.Errorf("%s: %s%s", what, strings.Join(differences, "; "), more)
}
