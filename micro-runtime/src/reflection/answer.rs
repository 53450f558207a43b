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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::protobuf::descriptor::{file, message};
    use crate::reflection::messages::ExtensionRequest;

    fn question() -> impl Strategy<Value = Option<Question>> {
        let name = || r"[.]?(a[.]A|b|a[.]proto|b[.]proto|shop)|.{0,300}";
        let extension = |(containing_type, extension_number)| {
            Question::FileContainingExtension(ExtensionRequest { containing_type, extension_number })
        };
        prop_oneof![
            Just(None),
            name().prop_map(|name| Some(Question::FileByFilename(name))),
            name().prop_map(|name| Some(Question::FileContainingSymbol(name))),
            (name(), any::<i32>()).prop_map(move |asked| Some(extension(asked))),
            name().prop_map(|name| Some(Question::AllExtensionNumbersOfType(name))),
            name().prop_map(|name| Some(Question::ListServices(name))),
        ]
    }

    fn known() -> Known {
        let (mut a, mut b) = (file("a.proto", "a"), file("b.proto", "b"));
        a.message_type.push(message("A", Vec::new()));
        // In a circle, and to where nobody knows.
        a.dependency = vec!["b.proto".to_owned()];
        b.dependency = vec!["a.proto".to_owned(), "c.proto".to_owned()];
        let mut files = Files::default();
        files.add(&a);
        files.add(&b);
        Known { files, services: vec!["shop".to_owned()] }
    }

    proptest! {
        #[test]
        fn any_question_is_answered_and_repeated(
            questions in vec((any::<String>(), question()), 1..6),
        ) {
            let (known, mut asker) = (known(), Asker::default());
            for (host, message_request) in questions {
                let request = Request { host, message_request };
                let answer = asker.answer(&known, request.clone());
                prop_assert_eq!(&answer.valid_host, &request.host);
                match answer.message_response.unwrap() {
                    Answer::Files(files) => {
                        let count = files.file_descriptor_proto.len();
                        prop_assert!((1..=2).contains(&count), "{} files", count);
                    }
                    Answer::Error(error) => {
                        prop_assert!(!matches!(request.message_request, Some(Question::ListServices(_))));
                        prop_assert!(error.error_message.chars().count() < 300, "{}", error.error_message);
                    }
                    Answer::Extensions(_) | Answer::Services(_) => {}
                }
                prop_assert_eq!(answer.original_request, Some(request));
            }
        }

        #[test]
        fn any_question_comes_back_from_json_and_protobuf(host in any::<String>(), question in question()) {
            let request = Request { host, message_request: question };
            prop_assert_eq!(&Request::decode(&request.encode_to_vec()[..]).unwrap(), &request);
            let json = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), request);
        }
    }
}
