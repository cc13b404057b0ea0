package imagehub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/taremesh/tare/workload"
	"github.com/taremesh/tare/workload/imagehub"
)

// A user signs up, logs in and pulls.
func Example() {
	o := imagehub.DefaultOptions()
	o.Listen = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.Background())
	err := imagehub.Run(ctx, o, nil, func(r workload.Ready) {
		defer cancel()
		if err := pull("http://" + r.Addr); err != nil {
			fmt.Println(err)
		}
	})
	fmt.Println(err)
	// Output:
	// 201 Created
	// 200 OK
	// 200 OK 1024 bytes
	// <nil>
}

func pull(url string) error {
	const who = `"username":"ann","password":"correct horse"`
	resp, err := http.Post(url+"/signup", "application/json", strings.NewReader("{"+who+`,"subscription":"Team"}`))
	if err != nil {
		return err
	}
	resp.Body.Close()
	fmt.Println(resp.Status)

	resp, err = http.Post(url+"/login", "application/json", strings.NewReader("{"+who+"}"))
	if err != nil {
		return err
	}
	fmt.Println(resp.Status)
	var login struct{ Token string }
	err = json.NewDecoder(resp.Body).Decode(&login)
	resp.Body.Close()
	if err != nil {
		return err
	}

	req, err := http.NewRequest("GET", url+"/pull?image=library/alpine:3.20", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+login.Token)
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	image, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	fmt.Println(resp.Status, len(image), "bytes")
	return nil
}
