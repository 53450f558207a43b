use std::future::ready;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::proto::{
    AuthenticateRequest, AuthenticateResponse, Compare, Done, LeaseGrantRequest, LeaseGrantResponse, LeaseId,
    LeaseKeepAliveResponse, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse,
    WatchCreateRequest, WatchRequest, WatchResponse, end_of,
};

/// The largest answer that is taken: some ten thousand nodes of a service with all of their endpoints.
const LARGEST_ANSWER: usize = 64 << 20;

/// The methods of etcd that this driver uses.
#[derive(Clone, Debug)]
pub(super) struct Api {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
}

impl Api {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, token: None }
    }

    /// From now on in the name of a user.
    pub(super) async fn authenticate(&mut self, name: &str, password: &str) -> Result<(), Status> {
        let request = AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
        let answer: AuthenticateResponse = self.unary("/etcdserverpb.Auth/Authenticate", request).await?;
        let mut token: MetadataValue<Ascii> =
            answer.token.parse().map_err(|_| Status::data_loss("etcd gave a token that cannot be sent"))?;
        token.set_sensitive(true);
        self.token = Some(token);
        Ok(())
    }

    /// The value of one key.
    pub(super) async fn get(&self, key: &str) -> Result<RangeResponse, Status> {
        let request = RangeRequest { key: bytes(key), range_end: Bytes::new() };
        self.unary("/etcdserverpb.KV/Range", request).await
    }

    /// The values of all keys that begin with this.
    pub(super) async fn list(&self, prefix: &str) -> Result<RangeResponse, Status> {
        let request = RangeRequest { key: bytes(prefix), range_end: end_of(prefix) };
        self.unary("/etcdserverpb.KV/Range", request).await
    }

    /// Does something where something else holds, and says whether it did.
    pub(super) async fn transaction(
        &self,
        compare: Option<Compare>,
        then: RequestOp,
    ) -> Result<bool, Status> {
        let request = TxnRequest { compare: compare.into_iter().collect(), success: vec![then] };
        let answer: TxnResponse = self.unary("/etcdserverpb.KV/Txn", request).await?;
        Ok(answer.succeeded)
    }

    /// A new lease of so many seconds.
    pub(super) async fn grant(&self, ttl: i64) -> Result<i64, Status> {
        let answer: LeaseGrantResponse =
            self.unary("/etcdserverpb.Lease/LeaseGrant", LeaseGrantRequest { ttl }).await?;
        Ok(answer.id)
    }

    /// Ends a lease, and what is kept with it.
    pub(super) async fn revoke(&self, id: i64) -> Result<(), Status> {
        self.unary("/etcdserverpb.Lease/LeaseRevoke", LeaseId { id }).await.map(|Done {}| ())
    }

    /// Renews a lease once, and says whether it was still there.
    pub(super) async fn keep_alive(&self, id: i64) -> Result<bool, Status> {
        let request = stream::once(ready(LeaseId { id }));
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<LeaseId, LeaseKeepAliveResponse>::default();
        let path = http::uri::PathAndQuery::from_static("/etcdserverpb.Lease/LeaseKeepAlive");
        let mut answers = grpc.streaming(self.request(request), path, codec).await?.into_inner();
        match answers.message().await? {
            Some(answer) => Ok(answer.ttl > 0),
            None => Err(Status::unavailable("etcd ended the renewal of a lease without an answer")),
        }
    }

    /// Follows all keys that begin with this, from a revision on.
    pub(super) async fn watch(
        &self,
        prefix: &str,
        revision: i64,
    ) -> Result<Streaming<WatchResponse>, Status> {
        let create =
            WatchCreateRequest { key: bytes(prefix), range_end: end_of(prefix), start_revision: revision };
        // The watch is over when the requests are.
        let requests = stream::once(ready(WatchRequest { create: Some(create) })).chain(stream::pending());
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
        let path = http::uri::PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        Ok(grpc.streaming(self.request(requests), path, codec).await?.into_inner())
    }

    async fn unary<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.grpc().await?;
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = grpc.unary(self.request(request), path, ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER);
        grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        Ok(grpc)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // A member that lost its leader refuses what it is asked, and ends its watches instead of leaving them silent.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
