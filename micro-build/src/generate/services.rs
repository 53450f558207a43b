//! Services as the annotated traits that one would write by hand. Paths are absolute and there is no
//! `use`, because the trait stands among the user's own items.

use super::{ALLOW, descriptors};
use crate::code::Code;
use crate::config::Config;
use crate::model::{Method, Package, Service};

pub(super) fn generate(code: &mut Code, package: &Package, config: &Config) {
    for service in &package.services {
        contract(code, package, service, config);
    }
}

fn contract(code: &mut Code, package: &Package, service: &Service, config: &Config) {
    let mut options = Vec::new();
    if !package.name.is_empty() {
        options.push(format!("package = {:?}", package.name));
    }
    options.push(format!("name = {:?}", service.name));
    if config.crate_path != Config::default().crate_path {
        options.push(format!("crate = {:?}", config.crate_path));
    }
    if let Some(descriptors) = descriptors::name_in(package, config) {
        options.push(format!("descriptors = {descriptors}"));
    }
    code.line("").docs(&service.doc);
    code.line(format!("#[{}::service({})]", config.crate_path, options.join(", ")));
    code.line(ALLOW);
    if service.deprecated {
        code.line("#[deprecated]");
    }
    code.open(format!("pub trait {} {{", service.rust_name));
    for (index, method) in service.methods.iter().enumerate() {
        if index > 0 {
            code.line("");
        }
        self::method(code, package, service, method, config);
    }
    code.close("}");
}

fn method(code: &mut Code, package: &Package, service: &Service, method: &Method, config: &Config) {
    let micro = &config.crate_path;
    let idempotent = match (method.idempotent, method.no_get) {
        (false, _) => "",
        (true, false) => ", idempotent",
        (true, true) => ", idempotent, no_get",
    };
    code.docs(&method.doc);
    code.line(format!("#[micro(name = {:?}{idempotent})]", method.name));
    if method.deprecated {
        code.line("#[deprecated]");
    }
    let request = match method.request_stream {
        true => format!("{micro}::Streaming<{}>", method.request),
        false => method.request.clone(),
    };
    let (out, response) = match method.response_stream {
        true => (format!(", out: &mut {micro}::Sender<{}>", method.response), "()"),
        false => (String::new(), method.response.as_str()),
    };
    let signature = format!(
        "async fn {}(&self, ctx: &{micro}::Context, request: {request}{out}) -> {micro}::Result<{response}>",
        method.rust_name
    );
    if !config.default_methods {
        code.line(format!("{signature};"));
        return;
    }
    let unused = if method.response_stream { "(ctx, request, out)" } else { "(ctx, request)" };
    let dot = if package.name.is_empty() { "" } else { "." };
    let text = format!("{}{dot}{}/{} is not implemented", package.name, service.name, method.name);
    code.open(format!("{signature} {{"));
    code.line(format!("let _ = {unused};"));
    code.line(format!("::core::result::Result::Err({micro}::Error::unimplemented({text:?}))"));
    code.close("}");
}
