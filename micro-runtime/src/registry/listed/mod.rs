//! Nodes that somebody wrote down.

mod file;
mod list;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use self::file::File;
use self::list::List;
use super::{Change, Registration, Registry, ServiceRecord, Watch};
use crate::error::{Error, Result};

/// A list of nodes: in code, in a variable, or in a file that is read again when it changes.
///
/// For fixed addresses, for tests, and for lists that another system writes, such as a ConfigMap of
/// Kubernetes or a template of a configuration manager.
///
/// ```
/// use micro_runtime::registry::{Registry, Static};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro_runtime::Result<()> {
/// let registry = Static::new([("greeter", ["10.0.0.5:7000", "10.0.0.6:7000"])]);
/// assert_eq!(registry.services().await?[0].nodes.len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// * Services can be run on it: [`register`](Registry::register) and [`deregister`](Registry::deregister)
///   succeed and write nothing. Who is in the list is decided by who writes it.
/// * A node without an id is known by its address. Nodes that are only addresses have no metadata, so they are
///   called in the Connect protocol, unless the client says otherwise; write `{"address": "…", "metadata":
///   {"protocols": "native,connect"}}` for one that speaks more.
/// * It does not know whether a node lives. The client does: a node that refuses connections is out of use.
#[derive(Clone, Debug)]
pub struct Static(Source);

#[derive(Clone, Debug)]
enum Source {
    /// The list, or what is wrong with it.
    Fixed(Result<Arc<List>, Arc<str>>),
    File(Arc<File>),
}

impl Static {
    /// Services, and the addresses of their nodes: `host:port`, or `unix:/path`.
    ///
    /// An address that cannot be one is an error at first use, `invalid_argument`.
    pub fn new<S, L, A>(services: impl IntoIterator<Item = (S, L)>) -> Self
    where
        S: Into<String>,
        L: IntoIterator<Item = A>,
        A: Into<String>,
    {
        let of = |(service, addresses): (S, L)| {
            (service.into(), addresses.into_iter().map(Into::into).collect::<Vec<_>>())
        };
        Self::fixed(List::of(services.into_iter().map(of)))
    }

    /// The nodes of these records, with their ids, versions and metadata.
    ///
    /// A node without a service, or with an address that cannot be one, is an error at first use, `invalid_argument`.
    pub fn from_records(records: impl IntoIterator<Item = ServiceRecord>) -> Self {
        Self::fixed(List::of_records(records))
    }

    /// The list in this file, which is looked at every two seconds, while anybody watches.
    ///
    /// It is JSON in one of three forms: `{"greeter": ["10.0.0.5:7000"]}`, where a node may also be an object with
    /// `address`, `id` and `metadata`; a [`ServiceRecord`]; or a list of these. It has 16 MiB at the most.
    ///
    /// A file that cannot be read or understood changes nothing: the last good list stays, and the log says
    /// once what is wrong and where. While there never was a good one, watches fail with `unavailable` and
    /// the same text. Nothing is opened here.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(Arc::new(File::new(path.into()))))
    }

    /// As `MICRO_REGISTRY_ADDRESS` gives it: `greeter=host:port,host:port;other=host:port`, or the path of a file.
    ///
    /// What has a `=` and does not begin with `/` or `.` is a list. One that cannot be understood is
    /// `invalid_argument`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('=') && !text.starts_with(['/', '.']) {
            let list = List::from_line(text).map_err(Error::invalid_argument)?;
            return Ok(Self::fixed(Ok(list)));
        }
        if let Some((host, port)) = text.rsplit_once(':')
            && !host.contains(['/', '\\'])
            && port.parse::<u16>().is_ok()
        {
            return Err(Error::invalid_argument(format!(
                "`{text}` is an address and says of no service: write `greeter={text}`, or the path of a file"
            )));
        }
        Ok(Self::file(text))
    }

    fn fixed(list: Result<List, String>) -> Self {
        Self(Source::Fixed(list.map(Arc::new).map_err(Arc::from)))
    }

    async fn list(&self) -> Result<Arc<List>> {
        match &self.0 {
            Source::Fixed(Ok(list)) => Ok(list.clone()),
            Source::Fixed(Err(fault)) => Err(Error::invalid_argument(format!("the list of nodes: {fault}"))),
            Source::File(file) => file.list().await,
        }
    }
}

#[async_trait]
impl Registry for Static {
    fn name(&self) -> &'static str {
        "static"
    }

    async fn register(&self, registration: &Registration, _ttl: Duration) -> Result<()> {
        registration.check()?;
        match &self.0 {
            // A list that can never be used is known at the start, and not at the first call.
            Source::Fixed(_) => self.list().await.map(drop),
            Source::File(_) => Ok(()),
        }
    }

    async fn deregister(&self, _registration: &Registration) -> Result<()> {
        Ok(())
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        let first = self.list().await?;
        let service = service.to_owned();
        let snapshot = Change::Snapshot(first.nodes(&service).to_vec());
        let begin = stream::once(async { Ok(snapshot) });
        Ok(match &self.0 {
            // It never changes, and a watch that ended would be begun again.
            Source::Fixed(_) => begin.chain(stream::pending()).boxed(),
            Source::File(file) => begin.chain(follow(file.clone(), service, first)).boxed(),
        })
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        Ok(self.list().await?.services())
    }
}

/// What changes in the file, for one service.
fn follow(
    file: Arc<File>,
    service: String,
    first: Arc<List>,
) -> impl futures_util::Stream<Item = Result<Change>> + Send {
    stream::unfold((file, service, first), |(file, service, mut told)| async move {
        loop {
            sleep(file::INTERVAL).await;
            // Once there was a good list there always is one.
            let Ok(list) = file.list().await else { continue };
            let same = Arc::ptr_eq(&list, &told) || list.nodes(&service) == told.nodes(&service);
            told = list;
            if !same {
                let path = file.path().display();
                tracing::info!(service, %path, nodes = told.nodes(&service).len(), "the list of nodes changed");
                let change = Change::Snapshot(told.nodes(&service).to_vec());
                return Some((Ok(change), (file, service, told)));
            }
        }
    })
}

impl<S, L, A> FromIterator<(S, L)> for Static
where
    S: Into<String>,
    L: IntoIterator<Item = A>,
    A: Into<String>,
{
    fn from_iter<I: IntoIterator<Item = (S, L)>>(services: I) -> Self {
        Self::new(services)
    }
}

impl From<BTreeMap<String, Vec<String>>> for Static {
    fn from(services: BTreeMap<String, Vec<String>>) -> Self {
        Self::new(services)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::{Discovery, Node, View};
    use super::*;

    fn addresses(view: &View) -> Vec<String> {
        view.nodes().iter().map(|candidate| candidate.node().address.clone()).collect()
    }

    fn replace(path: &Path, content: &str) {
        let beside = path.with_extension("new");
        fs::write(&beside, content).expect("a directory of our own");
        fs::rename(&beside, path).expect("a directory of our own");
    }

    #[tokio::test]
    async fn a_list_in_code_is_the_answer_and_stays_it() -> Result<()> {
        let registry = Static::new([("greeter", vec!["a:1", "b:2"]), ("idle", vec![])]);
        let discovery = Discovery::new(Arc::new(registry.clone()));
        let view = discovery.view("greeter")?;
        view.ready(None).await?;
        assert_eq!(addresses(&view), ["a:1", "b:2"]);
        let nobody = discovery.view("nobody")?;
        nobody.ready(None).await?;
        assert!(nobody.nodes().is_empty() && !nobody.is_stale());

        // A service may run on it, and is not written down.
        let own = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:7000"));
        registry.register(&own, Duration::from_secs(90)).await?;
        registry.deregister(&own).await?;
        assert_eq!(registry.services().await?.iter().map(|record| record.nodes.len()).sum::<usize>(), 2);
        Ok(())
    }

    #[tokio::test]
    async fn a_list_that_is_wrong_is_an_error_at_the_start() -> Result<()> {
        let registry = Static::new([("greeter", ["http://a:1"])]);
        let own = Registration::new("other", Node::new("other-1", "127.0.0.1:7000"));
        let error = registry.register(&own, Duration::from_secs(90)).await.expect_err("refused");
        assert!(error.message().contains("`a:1`"), "{error}");
        let view = Discovery::new(Arc::new(registry)).view("greeter")?;
        assert!(view.ready(None).await.is_err());
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing() -> Result<()> {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let path = directory.path().join("nodes.json");
        let discovery = Discovery::new(Arc::new(Static::file(&path)));
        let view = discovery.view("greeter")?;
        let error = view.ready(None).await.expect_err("there is no file");
        assert!(error.message().contains("nodes.json"), "{error}");

        replace(&path, r#"{"greeter": ["a:1"]}"#);
        view.until(|nodes| nodes.len() == 1).await;
        let kept = view.nodes()[0].clone();
        // Written in place, with as many bytes.
        fs::write(&path, r#"{"greeter": ["b:1"]}"#).expect("the file is ours");
        view.until(|nodes| nodes.first().is_some_and(|node| node.node().address == "b:1")).await;
        assert_eq!(kept.node().address, "a:1");

        replace(&path, r#"{"greeter": ["b:1", "#);
        sleep(file::INTERVAL * 4).await;
        assert_eq!(addresses(&view), ["b:1"]);
        assert!(!view.is_stale());
        fs::remove_file(&path).expect("the file is ours");
        sleep(file::INTERVAL * 4).await;
        assert_eq!(addresses(&view), ["b:1"]);

        replace(&path, r#"{"greeter": ["b:1", "c:1"]}"#);
        view.until(|nodes| nodes.len() == 2).await;
        replace(&path, r#"{"other": ["b:1"]}"#);
        view.until(|nodes| nodes.is_empty()).await;
        Ok(())
    }

    /// As Kubernetes updates a ConfigMap: the file is a link to one in a folder, which is a link that moves.
    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_link_that_moves_is_followed() -> Result<()> {
        use std::os::unix::fs::symlink;

        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let at = |name: &str| directory.path().join(name);
        for (version, content) in [("v1", r#"{"greeter": ["a:1"]}"#), ("v2", r#"{"greeter": ["b:1"]}"#)] {
            fs::create_dir(at(version)).expect("a directory of our own");
            fs::write(at(version).join("nodes.json"), content).expect("a directory of our own");
        }
        symlink("v1", at("..data")).expect("a directory of our own");
        symlink("..data/nodes.json", at("nodes.json")).expect("a directory of our own");
        let view = Discovery::new(Arc::new(Static::file(at("nodes.json"))));
        let view = view.view("greeter").map(|followed| (view, followed))?;
        view.1.until(|nodes| nodes.len() == 1).await;
        symlink("v2", at("..data_tmp")).expect("a directory of our own");
        fs::rename(at("..data_tmp"), at("..data")).expect("a directory of our own");
        view.1.until(|nodes| nodes.first().is_some_and(|node| node.node().address == "b:1")).await;
        Ok(())
    }

    #[test]
    fn a_setting_is_a_list_or_the_path_of_a_file() -> Result<()> {
        assert!(matches!(Static::parse("greeter=a:1")?.0, Source::Fixed(Ok(_))));
        for path in ["nodes.json", "/etc/micro/a=b.json", "./a=b.json"] {
            assert!(matches!(Static::parse(path)?.0, Source::File(_)), "{path}");
        }
        let error = Static::parse("greeter=a").expect_err("refused");
        assert!(error.message().contains("`a` is no address"), "{error}");
        Ok(())
    }
}
