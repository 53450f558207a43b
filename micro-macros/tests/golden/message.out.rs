#[automatically_derived]
#[allow(
    deprecated,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
impl ::micro::__private::Message for Person {
    const FORMATS: &'static [::micro::__private::Format<Self>] = <Self as ::micro::__private::SerdeMessage>::FORMATS;
    const SHAPE: &'static ::micro::__private::Shape = &::micro::__private::Shape {
        name: "people.v1.Person",
        doc: "A person.",
        kind: ::micro::__private::ShapeKind::Struct({
            const PARTS: &[&[::micro::__private::Field]] = &[
                &[
                    ::micro::__private::Field {
                        name: "fullName",
                        doc: "What they are called.",
                        shape: || {
                            #[allow(unused_imports)]
                            use ::micro::__private::probe::Undescribed as _;
                            ::micro::__private::probe::Probe::<String>::SHAPE
                        },
                    },
                ],
                ::micro::__private::probe::flattened({
                    #[allow(unused_imports)]
                    use ::micro::__private::probe::Undescribed as _;
                    ::micro::__private::probe::Probe::<Address>::SHAPE
                }),
                &[],
            ];
            const COUNT: ::micro::__private::probe::Count = ::micro::__private::probe::count(
                PARTS,
            );
            const ALL: [::micro::__private::Field; COUNT] = ::micro::__private::probe::join(
                PARTS,
            );
            &ALL
        }),
    };
    fn as_serde(
        &self,
    ) -> ::core::option::Option<&dyn ::micro::__private::erased_serde::Serialize> {
        <Self as ::micro::__private::SerdeMessage>::as_serde(self)
    }
    fn from_serde(
        __micro_deserializer: &mut dyn ::micro::__private::erased_serde::Deserializer<'_>,
    ) -> ::core::option::Option<
        ::core::result::Result<Self, ::micro::__private::erased_serde::Error>,
    > {
        <Self as ::micro::__private::SerdeMessage>::from_serde(__micro_deserializer)
    }
}
#[automatically_derived]
#[allow(
    deprecated,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
impl ::micro::__private::Message for Id {
    const FORMATS: &'static [::micro::__private::Format<Self>] = <Self as ::micro::__private::SerdeMessage>::FORMATS;
    const SHAPE: &'static ::micro::__private::Shape = {
        #[allow(unused_imports)]
        use ::micro::__private::probe::Undescribed as _;
        ::micro::__private::probe::Probe::<u64>::SHAPE
    };
    fn as_serde(
        &self,
    ) -> ::core::option::Option<&dyn ::micro::__private::erased_serde::Serialize> {
        <Self as ::micro::__private::SerdeMessage>::as_serde(self)
    }
    fn from_serde(
        __micro_deserializer: &mut dyn ::micro::__private::erased_serde::Deserializer<'_>,
    ) -> ::core::option::Option<
        ::core::result::Result<Self, ::micro::__private::erased_serde::Error>,
    > {
        <Self as ::micro::__private::SerdeMessage>::from_serde(__micro_deserializer)
    }
}
#[automatically_derived]
#[allow(
    deprecated,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
impl<T> ::micro::__private::Message for Page<T>
where
    T: ::micro::__private::Message + ::micro::__private::serde::Serialize
        + ::micro::__private::serde::de::DeserializeOwned,
    Self: ::micro::__private::SerdeMessage + ::core::marker::Send,
{
    const FORMATS: &'static [::micro::__private::Format<Self>] = <Self as ::micro::__private::SerdeMessage>::FORMATS;
    const SHAPE: &'static ::micro::__private::Shape = &::micro::__private::Shape {
        name: "Page",
        doc: "",
        kind: ::micro::__private::ShapeKind::Struct(
            &[
                ::micro::__private::Field {
                    name: "items",
                    doc: "",
                    shape: || {
                        #[allow(unused_imports)]
                        use ::micro::__private::probe::Undescribed as _;
                        ::micro::__private::probe::Probe::<Vec<T>>::SHAPE
                    },
                },
            ],
        ),
    };
    fn as_serde(
        &self,
    ) -> ::core::option::Option<&dyn ::micro::__private::erased_serde::Serialize> {
        <Self as ::micro::__private::SerdeMessage>::as_serde(self)
    }
    fn from_serde(
        __micro_deserializer: &mut dyn ::micro::__private::erased_serde::Deserializer<'_>,
    ) -> ::core::option::Option<
        ::core::result::Result<Self, ::micro::__private::erased_serde::Error>,
    > {
        <Self as ::micro::__private::SerdeMessage>::from_serde(__micro_deserializer)
    }
}
#[automatically_derived]
#[allow(
    deprecated,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
impl ::micro::__private::Message for Figure {
    const FORMATS: &'static [::micro::__private::Format<Self>] = <Self as ::micro::__private::SerdeMessage>::FORMATS;
    const SHAPE: &'static ::micro::__private::Shape = &::micro::__private::Shape {
        name: "Figure",
        doc: "",
        kind: ::micro::__private::ShapeKind::Enum(
            &[
                ::micro::__private::Variant {
                    name: "nothing",
                    doc: "Nothing.",
                    fields: &[],
                },
                ::micro::__private::Variant {
                    name: "circle",
                    doc: "",
                    fields: &[
                        ::micro::__private::Field {
                            name: "radius",
                            doc: "",
                            shape: || {
                                #[allow(unused_imports)]
                                use ::micro::__private::probe::Undescribed as _;
                                ::micro::__private::probe::Probe::<f64>::SHAPE
                            },
                        },
                    ],
                },
                ::micro::__private::Variant {
                    name: "named",
                    doc: "",
                    fields: &[
                        ::micro::__private::Field {
                            name: "0",
                            doc: "",
                            shape: || {
                                #[allow(unused_imports)]
                                use ::micro::__private::probe::Undescribed as _;
                                ::micro::__private::probe::Probe::<Person>::SHAPE
                            },
                        },
                    ],
                },
            ],
        ),
    };
    fn as_serde(
        &self,
    ) -> ::core::option::Option<&dyn ::micro::__private::erased_serde::Serialize> {
        <Self as ::micro::__private::SerdeMessage>::as_serde(self)
    }
    fn from_serde(
        __micro_deserializer: &mut dyn ::micro::__private::erased_serde::Deserializer<'_>,
    ) -> ::core::option::Option<
        ::core::result::Result<Self, ::micro::__private::erased_serde::Error>,
    > {
        <Self as ::micro::__private::SerdeMessage>::from_serde(__micro_deserializer)
    }
}
