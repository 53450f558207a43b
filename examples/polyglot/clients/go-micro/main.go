// A go-micro client: its own RPC, with JSON and no generated code.
package main

import (
	"context"
	"fmt"
	"os"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/errors"
)

type FindRequest struct {
	ID int64 `json:"id"`
}

type Book struct {
	ID     int64  `json:"id,string"`
	Title  string `json:"title"`
	Author string `json:"author"`
}

func main() {
	find := func(id int64) (Book, error) {
		var book Book
		request := client.NewRequest("library", "Library.Find", &FindRequest{ID: id}, client.WithContentType("application/json"))
		return book, client.Call(context.Background(), request, &book, client.WithAddress(os.Args[1]))
	}

	book, err := find(3)
	if err != nil {
		panic(err)
	}
	fmt.Printf("find: %s by %s\n", book.Title, book.Author)

	_, err = find(4)
	failed := errors.Parse(err.Error())
	fmt.Printf("error: %d %s: %s\n", failed.Code, failed.Status, failed.Detail)
}
