use micro::{Code, Context, Detail, Error, Result};
use micro_interop_grpc::failures::Failures;
use micro_interop_grpc::testing::{EchoStatus, Empty};

/// Fails as it is asked.
pub(crate) struct Failing;

#[micro::handler]
impl Failures for Failing {
    async fn fail(&self, ctx: &Context, asked: EchoStatus) -> Result<Empty> {
        let code = u32::try_from(asked.code).ok().and_then(Code::from_number).unwrap_or(Code::Unknown);
        let mut error = Error::new(code, &asked.message).with_detail(Detail::of(&asked)?);
        for (name, value) in ctx.metadata().iter() {
            error.metadata_mut().append(name, value)?;
        }
        Err(error)
    }
}
