package tracecompletion_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// tested returns the bodies of those examples in a file whose output is compared, without the indentation of
// the function.
func tested(t *testing.T, path string) []string {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, example := range doc.Examples(file) {
		if example.Output == "" && !example.EmptyOutput {
			continue
		}
		block := example.Code.(*ast.BlockStmt)
		body := string(source[files.Position(block.Lbrace).Offset+1 : files.Position(block.Rbrace).Offset])
		bodies = append(bodies, strings.ReplaceAll(body, "\n\t", "\n"))
	}
	return bodies
}

var snippet = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// Each Go snippet in the READMEs is a part of an example that runs.
func TestTheSnippetsAreTheExamples(t *testing.T) {
	bodies := append(tested(t, "example_test.go"), tested(t, "../otelselect/example_test.go")...)
	count := map[string]int{}
	for _, readme := range []string{"../README.md", "../../README.md"} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range snippet.FindAllStringSubmatch(string(text), -1) {
			count[readme]++
			isTested := false
			for _, body := range bodies {
				// Only whole lines count.
				isTested = isTested || strings.Contains(body, "\n"+found[1])
			}
			if !isTested {
				t.Errorf("%s: no example runs this:\n%s", readme, found[1])
			}
		}
	}
	if count["../README.md"] < 5 || count["../../README.md"] < 1 {
		t.Errorf("%v snippets were found", count)
	}
}
