/// A person.
#[serde(rename_all = "camelCase")]
#[micro(name = "people.v1.Person")]
pub struct Person {
    /// What they are called.
    pub full_name: String,
    #[serde(skip)]
    cache: Cache,
    #[serde(flatten)]
    address: Address,
}

pub struct Id(u64);

pub struct Page<T> {
    items: Vec<T>,
}

#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Nothing.
    Nothing,
    Circle { radius: f64 },
    Named(Person),
}
