package asleep_test

import (
	"fmt"
	"reflect"
	"testing"
	"unsafe"

	"github.com/asleep-sdk/asleep"
)

// full makes a value of t in which every pointer points, every slice has two
// elements and every text and number is set: a member that is added to a type is
// in it too.
func full(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	fill(v, 0)
	return v
}

func fill(v reflect.Value, depth int) {
	if depth > 20 {
		panic("a type that contains itself")
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 4))
		for i := range 2 {
			fill(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, depth+1)
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(fmt.Sprintf("%v: say how it is copied", v.Type()))
	}
}

// places are the memory that can be changed through v: what pointers point to, and
// all of a slice's array.
func places(v reflect.Value, path string, into map[uintptr]string) {
	switch v.Kind() { //nolint:exhaustive // the rest holds no memory of its own
	case reflect.Pointer:
		if !v.IsNil() {
			into[v.Pointer()] = path
			places(v.Elem(), path, into)
		}
	case reflect.Slice:
		whole := v.Slice(0, v.Cap())
		for i := range whole.Len() {
			into[whole.Index(i).Addr().Pointer()] = fmt.Sprintf("%s[%d]", path, i)
			places(whole.Index(i), fmt.Sprintf("%s[%d]", path, i), into)
		}
	case reflect.Struct:
		for field, member := range v.Fields() {
			places(member, path+"."+field.Name, into)
		}
	}
}

func clones() []struct {
	name  string
	value any
	clone func(any) any
} {
	return []struct {
		name  string
		value any
		clone func(any) any
	}{
		{"Report", full(reflect.TypeFor[*asleep.Report]()).Interface(), func(v any) any { return v.(*asleep.Report).Clone() }},
		{"AverageStats", full(reflect.TypeFor[*asleep.AverageStats]()).Interface(), func(v any) any { return v.(*asleep.AverageStats).Clone() }},
		{"SessionSummary", full(reflect.TypeFor[asleep.SessionSummary]()).Interface(), func(v any) any { return v.(asleep.SessionSummary).Clone() }},
	}
}

func TestAClonePointsNowhereTheOriginalDoes(t *testing.T) {
	t.Parallel()
	for _, c := range clones() {
		copied := c.clone(c.value)
		if !reflect.DeepEqual(copied, c.value) {
			t.Errorf("%s: the clone differs:\n%+v\n%+v", c.name, copied, c.value)
		}
		theirs, ours := map[uintptr]string{}, map[uintptr]string{}
		places(reflect.ValueOf(c.value), c.name, theirs)
		places(reflect.ValueOf(copied), c.name, ours)
		if len(theirs) == 0 {
			t.Errorf("%s: nothing was compared", c.name)
		}
		for at, path := range ours {
			if shared, ok := theirs[at]; ok {
				t.Errorf("%s of the clone is %s of the original", path, shared)
			}
		}
	}
}

// change changes everything that can be reached through v.
func change(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // as in fill
	case reflect.Pointer:
		if !v.IsNil() {
			change(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			change(v.Index(i))
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			change(field)
		}
	case reflect.String:
		v.SetString("changed")
	case reflect.Float64:
		v.SetFloat(-1)
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(-2)
	case reflect.Bool:
		v.SetBool(false)
	}
}

func TestChangingACloneChangesNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range clones() {
		before := c.clone(c.value)
		changed := reflect.New(reflect.TypeOf(c.value)).Elem()
		changed.Set(reflect.ValueOf(c.clone(c.value)))
		change(changed)
		if reflect.DeepEqual(changed.Interface(), before) {
			t.Errorf("%s: nothing was changed", c.name)
		}
		if !reflect.DeepEqual(c.value, before) {
			t.Errorf("%s: the original changed with its clone", c.name)
		}
	}
}

func TestCloningKeepsNilAndEmptyApart(t *testing.T) {
	t.Parallel()
	var none *asleep.Report
	if none.Clone() != nil || (*asleep.AverageStats)(nil).Clone() != nil {
		t.Error("a clone of nil is something")
	}
	r := &asleep.Report{Peculiarities: []asleep.Peculiarity{}}
	c := r.Clone()
	if c.Peculiarities == nil || c.Session.SleepStages != nil || c.Stat != nil || c.MissingDataRatio != nil {
		t.Errorf("%+v", c)
	}
}

func TestACloneSharesRaw(t *testing.T) {
	t.Parallel()
	r, err := asleep.ParseReport(thousand())
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Clone(); unsafe.StringData(c.Raw) != unsafe.StringData(r.Raw) {
		t.Error("Raw was copied")
	}
}

func BenchmarkCloneReport(b *testing.B) {
	r, err := asleep.ParseReport(thousand())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Clone()
	}
}
