//! Cases that not every server has, and those that the descriptions do not have.

use std::collections::HashMap;
use std::time::Duration;

use micro::codec::Compression;
use micro::protobuf;
use micro::{Code, Context, Detail, Result, Streaming};
use micro_interop_grpc::orca::{OrcaLoadReport, OrcaLoadReportRequest};
use micro_interop_grpc::testing::{
    EchoStatus, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest, TestOrcaReport,
};
use micro_interop_grpc::{payload, size};

use crate::cases::{large_unary, message};
use crate::peer::{Peer, check, failed};

const REPEATED: usize = 50;

pub(crate) async fn rpc_soak(peer: &Peer) -> Result<()> {
    for _ in 0..REPEATED {
        large_unary(peer).await?;
    }
    Ok(())
}

pub(crate) async fn channel_soak(peer: &Peer) -> Result<()> {
    for _ in 0..REPEATED {
        large_unary(&peer.anew()).await?;
    }
    Ok(())
}

fn load(cpu: f64) -> TestOrcaReport {
    TestOrcaReport {
        cpu_utilization: cpu,
        memory_utilization: 0.5847,
        request_cost: HashMap::new(),
        utilization: HashMap::from([("util".to_owned(), 0.30499)]),
    }
}

fn is_report(report: &OrcaLoadReport, load: &TestOrcaReport) -> bool {
    report.cpu_utilization == load.cpu_utilization
        && report.mem_utilization == load.memory_utilization
        && report.request_cost == load.request_cost
        && report.utilization == load.utilization
}

pub(crate) async fn orca_per_rpc(peer: &Peer) -> Result<()> {
    let mut load = load(0.821);
    load.request_cost.insert("cost".to_owned(), 3456.32);
    let request = SimpleRequest { orca_per_query_report: Some(load.clone()), ..SimpleRequest::default() };
    let response = peer.tests.unary_call(&Context::new(), request).response().await?;
    let report = response.trailers().get_bytes("endpoint-load-metrics-bin").cloned().unwrap_or_default();
    let report = Detail::new("xds.service.orca.v3.OrcaLoadReport", report).decode::<OrcaLoadReport>();
    let report = report.transpose()?.unwrap_or_default();
    check(is_report(&report, &load), || format!("{report:?}"))
}

pub(crate) async fn orca_oob(peer: &Peer) -> Result<()> {
    let (mut out, messages) = Streaming::channel();
    let mut answers = peer.tests.full_duplex_call(&Context::new(), messages).await?;
    let interval = protobuf::Duration { seconds: 0, nanos: 50_000_000 };
    let request = OrcaLoadReportRequest { report_interval: Some(interval) };
    let mut reports = peer.reports.stream_core_metrics(&Context::new(), request).await?;
    for cpu in [0.821, 0.293] {
        let report = Some(load(cpu));
        out.send(StreamingOutputCallRequest { orca_oob_report: report, ..message(0, 1) }).await?;
        answers.next().await?;
        // The ones before were on their way already.
        while let Some(report) = reports.next().await? {
            if is_report(&report, &load(cpu)) {
                break;
            }
        }
    }
    Ok(())
}

pub(crate) async fn error_details(peer: &Peer) -> Result<()> {
    let asked = EchoStatus { code: 9, message: "not now: 100% ☺".to_owned() };
    let call = peer.failures.fail(&Context::new(), asked.clone());
    let call = call.metadata("x-why", "so").metadata("x-why-bin", [0xff, 0x00]);
    let error = failed(call.await)?;
    let is_right = error.code() == Code::FailedPrecondition && error.message() == asked.message;
    check(is_right, || format!("{error:?}"))?;
    let details: Vec<_> = error.details().iter().filter_map(Detail::decode::<EchoStatus>).collect();
    let details = details.into_iter().collect::<Result<Vec<_>>>()?;
    check(details == [asked], || format!("the details are {details:?}"))?;
    let why = (error.metadata().get("x-why"), error.metadata().get_bytes("x-why-bin"));
    let is_right = why.0 == Some("so") && why.1.is_some_and(|bytes| bytes[..] == [0xff, 0x00]);
    check(is_right, || format!("the metadata is {why:?}"))
}

pub(crate) async fn gzip(peer: &Peer) -> Result<()> {
    let request =
        SimpleRequest { response_size: 314_159, payload: payload(271_828), ..SimpleRequest::default() };
    let call = peer.tests.unary_call(&Context::new(), request).compression(Compression::Gzip);
    let received = size(call.await?.payload.as_ref());
    check(received == 314_159, || format!("an answer of {received} bytes"))?;

    let messages = [27182, 8].map(|size| StreamingInputCallRequest { payload: payload(size) });
    let call = peer.tests.streaming_input_call(&Context::new(), Streaming::from_iter(messages));
    let sum = call.compression(Compression::Gzip).await?.aggregated_payload_size;
    check(sum == 27190, || format!("{sum} bytes arrived"))?;

    let messages = Streaming::from_iter([message(1000, 31415), message(1000, 9)]);
    let call = peer.tests.full_duplex_call(&Context::new(), messages).compression(Compression::Gzip);
    let answers = call.timeout(Duration::from_secs(10)).await?.collect().await?;
    let sizes: Vec<_> = answers.iter().map(|answer| size(answer.payload.as_ref())).collect();
    check(sizes == [31415, 9], || format!("answers of {sizes:?} bytes"))
}
