package headermutation

import (
	"fmt"
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.header_mutation"
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
)

// config translates the parameters into Envoy's header mutation.
func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := dataplane.Pack(&headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{
		RequestMutations: messages(s.Request), ResponseMutations: messages(s.Response),
	}})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("header-mutation: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

func messages(ms []Mutation) (all []*mutationv3.HeaderMutation) {
	for _, m := range ms {
		if m.Op == Remove {
			all = append(all, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: m.Name}})
			continue
		}
		how := corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		if m.Op == Append {
			how = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		}
		all = append(all, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header:         &corev3.HeaderValue{Key: m.Name, Value: strings.ReplaceAll(m.Value, "%", "%%")}, // a single one begins a command
			AppendAction:   how,
			KeepEmptyValue: true,
		}}})
	}
	return all
}

// honoured is what the Go filter understands of Envoy's message.
func honoured() protofield.Honoured {
	return protofield.Honoured{
		"envoy.extensions.filters.http.header_mutation.v3.HeaderMutation": {"mutations"},
		"envoy.extensions.filters.http.header_mutation.v3.Mutations":      {"request_mutations", "response_mutations"},
		"envoy.config.common.mutation_rules.v3.HeaderMutation":            {"remove", "append"},
		"envoy.config.core.v3.HeaderValueOption":                          {"header", "append_action", "keep_empty_value"},
		"envoy.config.core.v3.HeaderValue":                                {"key", "value"},
	}
}

// newFilter makes the Go filter of Envoy's message. One without mutations does
// nothing, at both places.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	var m headermutationv3.HeaderMutation
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read header mutation: %w", err)
	}
	if err := protofield.Check(&m, honoured()); err != nil {
		return nil, fmt.Errorf("header mutation: %w", err)
	}
	request, err := changes(m.GetMutations().GetRequestMutations())
	if err != nil {
		return nil, fmt.Errorf("header mutation: field mutations.request_mutations%w", err)
	}
	response, err := changes(m.GetMutations().GetResponseMutations())
	if err != nil {
		return nil, fmt.Errorf("header mutation: field mutations.response_mutations%w", err)
	}
	return &filter{request: request, response: response}, nil
}

func changes(ms []*mutationv3.HeaderMutation) (all []change, err error) {
	for i, m := range ms {
		c, err := changeOf(m)
		if err != nil {
			return nil, fmt.Errorf("[%d].%w", i, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func changeOf(m *mutationv3.HeaderMutation) (change, error) {
	if _, ok := m.GetAction().(*mutationv3.HeaderMutation_Remove); ok {
		c := Mutation{Op: Remove, Name: strings.ToLower(m.GetRemove())}
		return change{op: Remove, name: c.Name}, c.validate()
	}
	a := m.GetAppend()
	value, err := literal(a.GetHeader().GetValue())
	if err != nil {
		return change{}, fmt.Errorf("append.header.value: %w", err)
	}
	c := Mutation{Name: strings.ToLower(a.GetHeader().GetKey()), Value: value}
	switch a.GetAppendAction() {
	case corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
		c.Op = Append
	case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
		c.Op = Set
	default:
		return change{}, fmt.Errorf("append.append_action: %s: not supported", a.GetAppendAction())
	}
	if !a.GetKeepEmptyValue() && value == "" {
		return change{}, fmt.Errorf("append.keep_empty_value: an empty value without it: not supported")
	}
	return change{op: c.Op, name: c.Name, value: []byte(value)}, c.validate()
}

// literal is the text of a format of Envoy's that has no commands.
func literal(format string) (string, error) {
	if strings.Contains(strings.ReplaceAll(format, "%%", ""), "%") {
		return "", fmt.Errorf("%q has a command: not supported", format)
	}
	return strings.ReplaceAll(format, "%%", "%"), nil
}
