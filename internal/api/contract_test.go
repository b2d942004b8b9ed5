package api_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
)

// types names the Go type of every schema of openapi.yaml.
var types = map[string]reflect.Type{
	"Stages":              reflect.TypeFor[asleep.Stages](),
	"BreathStages":        reflect.TypeFor[asleep.BreathStages](),
	"SnoringStages":       reflect.TypeFor[asleep.SnoringStages](),
	"SleepCycle":          reflect.TypeFor[asleep.SleepCycle](),
	"SleepCycleTimes":     reflect.TypeFor[asleep.SleepCycleTimes](),
	"Detail":              reflect.TypeFor[asleep.Detail](),
	"SessionState":        reflect.TypeFor[asleep.SessionState](),
	"Peculiarity":         reflect.TypeFor[asleep.Peculiarity](),
	"Gender":              reflect.TypeFor[asleep.Gender](),
	"SortOrder":           reflect.TypeFor[asleep.SortOrder](),
	"WebhookEvent":        reflect.TypeFor[asleep.WebhookEvent](),
	"WebhookVersion":      reflect.TypeFor[asleep.WebhookVersion](),
	"CreateUserRequest":   reflect.TypeFor[asleep.CreateUserRequest](),
	"CreatedUser":         reflect.TypeFor[asleep.CreatedUser](),
	"User":                reflect.TypeFor[asleep.User](),
	"UserMetadata":        reflect.TypeFor[asleep.UserMetadata](),
	"LastSessionInfo":     reflect.TypeFor[asleep.LastSessionInfo](),
	"Report":              reflect.TypeFor[asleep.Report](),
	"Session":             reflect.TypeFor[asleep.Session](),
	"Stat":                reflect.TypeFor[asleep.Stat](),
	"Cycle":               reflect.TypeFor[asleep.Cycle](),
	"SessionList":         reflect.TypeFor[asleep.SessionList](),
	"SessionSummary":      reflect.TypeFor[asleep.SessionSummary](),
	"AverageStats":        reflect.TypeFor[asleep.AverageStats](),
	"Period":              reflect.TypeFor[asleep.Period](),
	"Averages":            reflect.TypeFor[asleep.Averages](),
	"SleptSession":        reflect.TypeFor[asleep.SleptSession](),
	"Failure":             reflect.TypeFor[asleep.Failure](),
	"ValidationProblem":   reflect.TypeFor[asleep.ValidationProblem](),
	"WebhookBody":         reflect.TypeFor[asleep.WebhookBody](),
	"SessionCompleteData": reflect.TypeFor[asleep.SessionCompleteData](),
	"InferenceData":       reflect.TypeFor[asleep.InferenceData](),
	"TimeWindow":          reflect.TypeFor[asleep.TimeWindow](),
}

type schema struct {
	Ref         string             `yaml:"$ref"`
	Type        string             `yaml:"type"`
	Format      string             `yaml:"format"`
	Description string             `yaml:"description"`
	Nullable    bool               `yaml:"nullable"`
	Enum        []string           `yaml:"enum"`
	Required    []string           `yaml:"required"`
	Properties  map[string]*schema `yaml:"properties"`
	Items       *schema            `yaml:"items"`
	AllOf       []*schema          `yaml:"allOf"`
	OneOf       []*schema          `yaml:"oneOf"`
	Aliases     map[string]string  `yaml:"x-aliases"` //nolint:tagliatelle // an extension of OpenAPI
}

type document struct {
	Paths      map[string]map[string]yaml.Node `yaml:"paths"`
	Components struct {
		Schemas map[string]*schema `yaml:"schemas"`
	} `yaml:"components"`
}

func contract(t *testing.T) document {
	t.Helper()
	b, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func name(ref string) string { return strings.TrimPrefix(ref, "#/components/schemas/") }

// properties are the members of a schema and of those it is made of.
func (d document) properties(s *schema) map[string]*schema {
	all := map[string]*schema{}
	maps.Copy(all, s.Properties)
	for _, part := range s.AllOf {
		if part.Ref != "" {
			part = d.Components.Schemas[name(part.Ref)]
		}
		maps.Copy(all, d.properties(part))
	}
	return all
}

// fields are the JSON members of a struct.
func fields(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for f := range t.Fields() {
		if member, _, _ := strings.Cut(f.Tag.Get("json"), ","); member != "-" && member != "" {
			all[member] = f.Type
		}
	}
	return all
}

func TestEverySchemaHasItsGoType(t *testing.T) {
	t.Parallel()
	d := contract(t)
	for schemaName, s := range d.Components.Schemas {
		typ, ok := types[schemaName]
		if !ok {
			t.Errorf("schema %s has no Go type", schemaName)
			continue
		}
		if s.Description == "" && typ.Kind() == reflect.Struct {
			t.Errorf("schema %s has no description", schemaName)
		}
		if typ.Name() != schemaName {
			t.Errorf("schema %s has the Go type %s", schemaName, typ.Name())
		}
		members := d.properties(s)
		if len(members) == 0 {
			continue
		}
		got := fields(typ)
		for member, p := range members {
			field, ok := got[member]
			if !ok {
				t.Errorf("%s.%s is not in the Go type", schemaName, member)
				continue
			}
			if p.Ref == "" && p.Description == "" && p.Items == nil {
				t.Errorf("%s.%s has no description", schemaName, member)
			}
			if want := goType(p); want != "" && want != field.String() {
				t.Errorf("%s.%s is %s in Go, want %s", schemaName, member, field, want)
			}
			if p.Nullable && !takesNull(field) {
				t.Errorf("%s.%s may be null, but %s does not take it", schemaName, member, field)
			}
			delete(got, member)
		}
		for member := range got {
			t.Errorf("the Go type has %s.%s, the contract has not", schemaName, member)
		}
	}
	for typeName := range types {
		if d.Components.Schemas[typeName] == nil {
			t.Errorf("type %s has no schema", typeName)
		}
	}
}

// goType is the type that a member's form asks for, as far as the form decides.
func goType(p *schema) string {
	switch p.Format {
	case "timestamp":
		return "asleep.Timestamp"
	case "clock-time":
		return "asleep.ClockTime"
	case "seconds":
		return "*asleep.Seconds"
	case "ratio":
		return "*asleep.Ratio"
	case "count":
		return "*asleep.Count"
	case "int":
		return "*asleep.Int"
	case "double":
		return "*float64"
	}
	switch {
	case p.Type == "string":
		return "string"
	case p.Type == "boolean":
		return "bool"
	case p.Type == "array" && p.Items != nil && p.Items.Ref != "":
		return "[]asleep." + name(p.Items.Ref)
	}
	return ""
}

func takesNull(t reflect.Type) bool {
	v := reflect.New(t)
	return json.Unmarshal([]byte("null"), v.Interface()) == nil && v.Elem().IsZero()
}

func TestAliasesDecodeIntoTheirMembers(t *testing.T) {
	t.Parallel()
	d := contract(t)
	found := 0
	for schemaName, s := range d.Components.Schemas {
		for member, alias := range s.Aliases {
			found++
			v := reflect.New(types[schemaName])
			if err := json.Unmarshal([]byte(`{"`+alias+`":"2026-03-14T13:51:07Z"}`), v.Interface()); err != nil {
				t.Errorf("%s.%s: %v", schemaName, alias, err)
				continue
			}
			for i := range v.Elem().NumField() {
				tag, _, _ := strings.Cut(v.Elem().Type().Field(i).Tag.Get("json"), ",")
				if tag == member && v.Elem().Field(i).String() != "2026-03-14T13:51:07Z" {
					t.Errorf("%s: %s did not become %s", schemaName, alias, member)
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("the contract names %d aliases, want at least 8", found)
	}
}

func TestEveryWordOfAnEnumIsAConstant(t *testing.T) {
	t.Parallel()
	constants := map[string][]string{
		"SessionState":   words(asleep.SessionStateOpen, asleep.SessionStateClosed, asleep.SessionStateComplete),
		"Gender":         words(asleep.GenderMale, asleep.GenderFemale, asleep.GenderNonBinary, asleep.GenderOther, asleep.GenderPreferNotToSay),
		"SortOrder":      words(asleep.SortOrderAscending, asleep.SortOrderDescending),
		"WebhookEvent":   words(asleep.WebhookEventSessionComplete, asleep.WebhookEventInferenceComplete),
		"WebhookVersion": words(asleep.WebhookVersionV1, asleep.WebhookVersionV2, asleep.WebhookVersionV3),
		"Peculiarity": words(asleep.PeculiarityInProgress, asleep.PeculiarityNeverSlept, asleep.PeculiarityTooShortForAnalysis, asleep.PeculiarityTooLongForAnalysis,
			asleep.PeculiarityTooManyDefectsInSleepStages, asleep.PeculiarityNoBreathingStability, asleep.PeculiarityNoRealtimePolling),
	}
	for schemaName, s := range contract(t).Components.Schemas {
		if s.Enum != nil && !slices.Equal(constants[schemaName], s.Enum) {
			t.Errorf("%s: constants %q, words of the contract %q", schemaName, constants[schemaName], s.Enum)
		}
	}
}

func words[S ~string](list ...S) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = string(s)
	}
	return all
}

func TestEveryOperationHasARequestBuilderAndARoute(t *testing.T) {
	t.Parallel()
	server := reflect.TypeFor[api.ServerInterface]()
	client := reflect.TypeFor[*api.Client]()
	operations := 0
	for path, item := range contract(t).Paths {
		for method, node := range item {
			if method == "parameters" {
				continue
			}
			var operation struct {
				ID string `yaml:"operationId"`
			}
			if err := node.Decode(&operation); err != nil {
				t.Fatal(err)
			}
			operations++
			goName := strings.ToUpper(operation.ID[:1]) + operation.ID[1:]
			if _, ok := server.MethodByName(goName); !ok {
				t.Errorf("%s %s: no route %s", method, path, goName)
			}
			if _, ok := client.MethodByName(goName); !ok {
				t.Errorf("%s %s: no request builder %s", method, path, goName)
			}
		}
	}
	if operations != 8 {
		t.Errorf("the contract has %d operations, want 8", operations)
	}
}
