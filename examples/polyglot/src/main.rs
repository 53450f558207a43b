//! One service on one port, for clients in any language: `README.md` beside this calls it with curl,
//! grpcurl, Python, JavaScript and go-micro.

use micro::{Context, Error, Result, Sender, Streaming};

micro::include_proto!("library.v1");

struct Shelf(Vec<Book>);

impl Shelf {
    fn new() -> Self {
        let book = |id, title: &str, author: &str| Book { id, title: title.into(), author: author.into() };
        Self(vec![
            book(1, "Middlemarch", "George Eliot"),
            book(2, "Silas Marner", "George Eliot"),
            book(3, "Emma", "Jane Austen"),
        ])
    }
}

#[micro::handler]
impl Library for Shelf {
    async fn find(&self, _ctx: &Context, request: FindRequest) -> Result<Book> {
        let found = self.0.iter().find(|book| book.id == request.id).cloned();
        found.ok_or_else(|| Error::not_found(format!("there is no book with the number {}", request.id)))
    }

    async fn by_author(
        &self,
        _ctx: &Context,
        request: ByAuthorRequest,
        out: &mut Sender<Book>,
    ) -> Result<()> {
        for book in self.0.iter().filter(|book| book.author == request.author) {
            out.send(book.clone()).await?;
        }
        Ok(())
    }

    async fn r#return(&self, _ctx: &Context, mut books: Streaming<ReturnRequest>) -> Result<ReturnReply> {
        let mut reply = ReturnReply::default();
        while let Some(book) = books.next().await? {
            reply.returned += u32::from(self.0.iter().any(|known| known.id == book.id));
        }
        Ok(reply)
    }

    async fn ask(
        &self,
        _ctx: &Context,
        mut questions: Streaming<AskRequest>,
        out: &mut Sender<Book>,
    ) -> Result<()> {
        while let Some(question) = questions.next().await? {
            for book in self.0.iter().filter(|book| book.title == question.title) {
                out.send(book.clone()).await?;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().init();
    micro::Service::new("library").handle(Shelf::new()).run().await
}
