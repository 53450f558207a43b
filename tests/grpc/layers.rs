//! Errors of layers around the server, which no protocol has seen.

use http::{Request, Response};
use micro::Error;
use micro::server::{HttpService, RequestBody, ResponseBody};
use tower::service_fn;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::web::{TEXT, WEB, parts, whole};
use crate::wire::{JSON, call, send};

fn refusing(
    _inner: HttpService,
) -> impl tower::Service<Request<RequestBody>, Response = Response<ResponseBody>, Error = Error, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(|_: Request<RequestBody>| async { Err(Error::resource_exhausted("too many of you")) })
}

#[tokio::test]
async fn an_error_of_a_layer_is_an_answer_in_the_form_of_the_caller() {
    let site = Site::of(|service| service.layer(tower::layer::layer_fn(refusing))).await;
    let answer = send(&site, call("Echo", JSON, envelope(0, r#""Ada""#))).await;
    assert_eq!(answer.refusal("8"), "too many of you");
    for content_type in [WEB, TEXT] {
        let answer = send(&site, call("Echo", content_type, envelope(0, r#""Ada""#))).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, content_type));
        assert!(answer.trailers.is_none(), "{answer:?}");
        let body = if content_type == TEXT { whole(&answer.body) } else { answer.body.to_vec() };
        let (messages, trailers) = parts(&body);
        assert!(messages.is_empty());
        assert_eq!(trailers, "grpc-status: 8\r\ngrpc-message: too many of you\r\n");
    }
}
