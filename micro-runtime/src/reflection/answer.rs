use std::collections::HashSet;

use super::files::Files;
use super::messages::{
    Answer, ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, Question,
    Request, Response, ServiceResponse,
};
use crate::error::Code;

/// What a server knows of itself.
pub(super) struct Known {
    pub(super) files: Files,
    /// The full names of the services, sorted.
    pub(super) services: Vec<String>,
}

/// Those who ask, and what they have been told.
#[derive(Default)]
pub(super) struct Asker {
    sent: HashSet<usize>,
}

impl Asker {
    /// Answers one question. That something is not known is an answer as well, and not the end of
    /// the stream.
    pub(super) fn answer(&mut self, known: &Known, request: Request) -> Response {
        let answer = self.find(known, request.message_request.as_ref());
        let answer = answer.unwrap_or_else(|(code, error_message)| {
            Answer::Error(ErrorResponse { error_code: code as i32, error_message })
        });
        Response {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        }
    }

    fn find(&mut self, known: &Known, question: Option<&Question>) -> Result<Answer, (Code, String)> {
        let files = &known.files;
        let unknown = |what: &str, name: &str| {
            let name: String = name.chars().take(200).collect();
            (Code::NotFound, format!("there is no {what} `{name}`"))
        };
        let file = match question {
            Some(Question::ListServices(_)) => {
                let service = known.services.iter().map(|name| ServiceResponse { name: name.clone() });
                return Ok(Answer::Services(ListServiceResponse { service: service.collect() }));
            }
            Some(Question::AllExtensionNumbersOfType(name)) => {
                let extension_number = files.extensions_of(name).ok_or_else(|| unknown("message", name))?;
                let base_type_name = name.clone();
                return Ok(Answer::Extensions(ExtensionNumberResponse { base_type_name, extension_number }));
            }
            Some(Question::FileByFilename(name)) => {
                files.by_name(name).ok_or_else(|| unknown("file", name))?
            }
            Some(Question::FileContainingSymbol(name)) => {
                let full = name.strip_prefix('.').unwrap_or(name);
                files.of_symbol(full).ok_or_else(|| unknown("symbol", name))?
            }
            Some(Question::FileContainingExtension(request)) => {
                let (name, number) = (&request.containing_type, request.extension_number);
                let found = files.of_extension(name, number);
                found.ok_or_else(|| unknown(&format!("extension {number} of"), name))?
            }
            None => {
                return Err((
                    Code::InvalidArgument,
                    "the request asks nothing that is known here".to_owned(),
                ));
            }
        };
        let file_descriptor_proto = files.with_imports(file, &mut self.sent);
        Ok(Answer::Files(FileDescriptorResponse { file_descriptor_proto }))
    }
}
