//! The load that the server is told to report.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use micro::{Context, Detail, Result, Sender};
use micro_interop_grpc::orca::{OpenRcaService, OrcaLoadReport, OrcaLoadReportRequest};
use micro_interop_grpc::testing::TestOrcaReport;
use tokio::time::sleep;

/// The trailer with the load of one call.
const BEHIND: &str = "endpoint-load-metrics-bin";

/// How often a report is sent to who does not say so.
const INTERVAL: Duration = Duration::from_secs(30);

/// The load of the server.
#[derive(Default)]
pub(crate) struct Load(Mutex<OrcaLoadReport>);

impl Load {
    pub(crate) fn set(&self, report: &TestOrcaReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = orca(report);
    }

    fn get(&self) -> OrcaLoadReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells the load of a call behind its answer.
pub(crate) fn report_behind(ctx: &Context, report: &TestOrcaReport) -> Result<()> {
    ctx.set_trailer(BEHIND, Detail::of(&orca(report))?.value())
}

fn orca(report: &TestOrcaReport) -> OrcaLoadReport {
    OrcaLoadReport {
        cpu_utilization: report.cpu_utilization,
        mem_utilization: report.memory_utilization,
        request_cost: report.request_cost.clone(),
        utilization: report.utilization.clone(),
    }
}

/// Tells the load of the server, again and again.
pub(crate) struct Reports(pub(crate) Arc<Load>);

#[micro::handler]
impl OpenRcaService for Reports {
    async fn stream_core_metrics(
        &self,
        _ctx: &Context,
        request: OrcaLoadReportRequest,
        out: &mut Sender<OrcaLoadReport>,
    ) -> Result<()> {
        let interval = request.report_interval.and_then(|interval| Duration::try_from(interval).ok());
        loop {
            out.send(self.0.get()).await?;
            sleep(interval.unwrap_or(INTERVAL)).await;
        }
    }
}
