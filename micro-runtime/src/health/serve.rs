//! `grpc.health.v1.Health`.

use prost_types::FileDescriptorProto;
use tokio_util::sync::CancellationToken;

use super::Health;
use super::messages::{CheckRequest, CheckResponse, ListRequest, ListResponse, STATUSES, ServingStatus};
use crate::endpoint::{Binder, MethodDescriptor, ServiceDescriptor, pushing, returning};
use crate::error::{Error, Result};
use crate::protobuf::descriptor::{self, Of};
use crate::stream::{Sender, Streaming};

const NAME: &str = "grpc.health.v1.Health";

/// The longest name, in bytes, that is held for who watches it before it is known. A watch may last for ever.
const LONGEST_NAME: usize = 1024;

static CHECK: MethodDescriptor = MethodDescriptor::new::<CheckRequest, CheckResponse>(
    NAME,
    "Check",
    "/grpc.health.v1.Health/Check",
    "Whether a service can do its work.",
)
.idempotent();

static LIST: MethodDescriptor = MethodDescriptor::new::<ListRequest, ListResponse>(
    NAME,
    "List",
    "/grpc.health.v1.Health/List",
    "All names that can be asked for, and their health.",
)
.idempotent();

static WATCH: MethodDescriptor = MethodDescriptor::new::<CheckRequest, Streaming<CheckResponse>>(
    NAME,
    "Watch",
    "/grpc.health.v1.Health/Watch",
    "Whether a service can do its work, now and whenever it changes.",
);

static SERVICE: ServiceDescriptor =
    ServiceDescriptor::new(NAME, "Whether a service can do its work.", &[CHECK, LIST, WATCH]);

/// Serves `health`; those who watch are let go when the server is `stopping`.
pub(crate) fn bind(health: &Health, stopping: &CancellationToken, binder: &mut Binder) {
    binder.service(&SERVICE);
    let this = health.clone();
    binder.endpoint(
        &CHECK,
        returning(move |_, request: CheckRequest| {
            let answer = check(&this, &request);
            async move { answer }
        }),
    );
    let this = health.clone();
    binder.endpoint(
        &LIST,
        returning(move |_, _: ListRequest| {
            let answer = list(&this);
            async move { Ok::<_, Error>(answer) }
        }),
    );
    let (this, stopping) = (health.clone(), stopping.clone());
    binder.endpoint(
        &WATCH,
        pushing(move |_, request, out| watch(this.clone(), stopping.clone(), request, out)),
    );
}

fn check(health: &Health, request: &CheckRequest) -> Result<CheckResponse> {
    let name = &request.service;
    let serving = health.is_serving_of(name).ok_or_else(|| {
        Error::not_found(format!(
            "no health is known of `{}`: ask for a contract by its full name, or for the whole service with no name",
            name.chars().take(100).collect::<String>()
        ))
    })?;
    Ok(CheckResponse { status: ServingStatus::from(serving).into() })
}

fn list(health: &Health) -> ListResponse {
    let state = health.watch();
    let state = state.borrow();
    let status = |serving| CheckResponse { status: ServingStatus::from(serving).into() };
    ListResponse { statuses: state.all().map(|(name, serving)| (name, status(serving))).collect() }
}

/// Tells the health of one name, now and whenever it is another, until the server stops.
async fn watch(
    health: Health,
    stopping: CancellationToken,
    request: CheckRequest,
    mut out: Sender<CheckResponse>,
) -> Result<()> {
    let name = request.service;
    if name.len() > LONGEST_NAME && health.is_serving_of(&name).is_none() {
        return Err(Error::invalid_argument(format!(
            "a name of {} bytes is watched, which is not known, and one that is to be known has {LONGEST_NAME} at the most",
            name.len()
        )));
    }
    let mut state = health.watch();
    let mut told = None;
    loop {
        let now = match state.borrow_and_update().of(&name) {
            Some(serving) => ServingStatus::from(serving),
            None => ServingStatus::ServiceUnknown,
        };
        if told != Some(now) {
            told = Some(now);
            tokio::select! {
                // That it leaves is told even where it is gone already, unless that has to be waited for.
                biased;
                sent = out.send(CheckResponse { status: now.into() }) => sent?,
                () = stopping.cancelled() => break,
            }
        }
        tokio::select! {
            biased;
            changed = state.changed() => if changed.is_err() { break },
            () = stopping.cancelled() => break,
        }
    }
    Err(Error::unavailable("the service stops, and tells no more of its health: ask another node"))
}

/// What the service looks like to reflection.
pub(crate) fn file() -> FileDescriptorProto {
    const REQUEST: &str = "grpc.health.v1.HealthCheckRequest";
    const RESPONSE: &str = "grpc.health.v1.HealthCheckResponse";
    const STATUS: &str = "grpc.health.v1.HealthCheckResponse.ServingStatus";
    const LIST: &str = "grpc.health.v1.HealthListRequest";
    const LISTED: &str = "grpc.health.v1.HealthListResponse";
    const ENTRY: &str = "grpc.health.v1.HealthListResponse.StatusesEntry";

    let string = Of::Scalar(prost_types::field_descriptor_proto::Type::String);
    let request = descriptor::message("HealthCheckRequest", vec![descriptor::field("service", 1, string)]);
    let status = descriptor::field("status", 1, Of::Enum(STATUS.to_owned()));
    let mut response = descriptor::message("HealthCheckResponse", vec![status]);
    response.enum_type.push(descriptor::enumeration("ServingStatus", STATUSES.map(str::to_owned)));
    let statuses = descriptor::repeated("statuses", 1, Of::message(ENTRY));
    let mut listed = descriptor::message("HealthListResponse", vec![statuses]);
    listed.nested_type.push(descriptor::map_entry("StatusesEntry", Of::message(RESPONSE)));

    let mut file = descriptor::file("grpc/health/v1/health.proto", "grpc.health.v1");
    file.message_type = vec![request, response, descriptor::message("HealthListRequest", Vec::new()), listed];
    file.service.push(descriptor::service(
        "Health",
        vec![
            descriptor::method("Check", (REQUEST, false), (RESPONSE, false)),
            descriptor::method("List", (LIST, false), (LISTED, false)),
            descriptor::method("Watch", (REQUEST, false), (RESPONSE, true)),
        ],
    ));
    file
}
