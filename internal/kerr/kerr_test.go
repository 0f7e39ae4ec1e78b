package kerr

import (
	"errors"
	"fmt"
	"testing"
)

func TestCodesAreContiguous(t *testing.T) {
	for code := int16(-1); code <= 136; code++ {
		if code == 0 {
			continue
		}
		e, ok := byCode[code]
		if !ok || e.Code != code || e.Name == "" {
			t.Errorf("code %d: %+v", code, e)
		}
	}
	if len(byCode) != 137 {
		t.Errorf("%d errors defined, want 137", len(byCode))
	}
}

func TestCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int16
	}{
		{nil, 0},
		{NotLeaderOrFollower, 6},
		{fmt.Errorf("append: %w", NotLeaderOrFollower.With("broker 3 leads")), 6},
		{errors.New("disk on fire"), -1},
	} {
		if got := Code(c.err); got != c.code {
			t.Errorf("Code(%v) = %d, want %d", c.err, got, c.code)
		}
	}
}

func TestMessageKeepsForeignErrorsInside(t *testing.T) {
	if m := Message(errors.New("open /secret: denied")); m != nil {
		t.Errorf("Message leaked %q", *m)
	}
	if m := Message(InvalidTopicException.With("name is empty")); m == nil || *m != "name is empty" {
		t.Errorf("Message = %v", m)
	}
}

func TestFromCodeRoundTrip(t *testing.T) {
	for code, e := range byCode {
		if !errors.Is(FromCode(code), e) {
			t.Errorf("FromCode(%d) is not %v", code, e)
		}
	}
	if err := FromCode(9999); err == nil || Code(err) != 9999 {
		t.Errorf("FromCode(9999) = %v", err)
	}
}
