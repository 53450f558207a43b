//! The text form of OpenMetrics 1.0 (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>).

use std::fmt::Write as _;

use super::snapshot::{Kind, Snapshot, Value};

pub(super) fn render(snapshot: &Snapshot) -> String {
    let mut out = String::with_capacity(4096);
    for (name, family) in snapshot.families() {
        let kind = match family.kind() {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "# TYPE {name} {kind}");
        if name.ends_with("_seconds") {
            let _ = writeln!(out, "# UNIT {name} seconds");
        }
        let _ = writeln!(out, "# HELP {name} {}", escaped(family.help()));
        for sample in family.samples() {
            let labels = sample.labels;
            match sample.value {
                Value::Number(value) => {
                    let suffix = if family.kind() == Kind::Counter { "_total" } else { "" };
                    line(&mut out, name, suffix, labels, None, *value);
                }
                Value::Distribution(distribution) => {
                    for (boundary, count) in distribution.buckets() {
                        line(&mut out, name, "_bucket", labels, Some(*boundary), *count as f64);
                    }
                    line(&mut out, name, "_count", labels, None, distribution.count() as f64);
                    line(&mut out, name, "_sum", labels, None, distribution.sum().as_secs_f64());
                }
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[(String, String)],
    le: Option<f64>,
    value: f64,
) {
    out.push_str(name);
    out.push_str(suffix);
    let mut separator = '{';
    for (label, value) in labels {
        let _ = write!(out, "{separator}{label}=\"{}\"", escaped(value));
        separator = ',';
    }
    if let Some(le) = le {
        // A boundary that is a whole number has a point all the same.
        let le = if le.is_infinite() { "+Inf".to_owned() } else { format!("{le:?}") };
        let _ = write!(out, "{separator}le=\"{le}\"");
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    let _ = match value {
        value if value.is_nan() => writeln!(out, " NaN"),
        f64::INFINITY => writeln!(out, " +Inf"),
        f64::NEG_INFINITY => writeln!(out, " -Inf"),
        value => writeln!(out, " {value}"),
    };
}

/// Text between quotation marks or at the end of a line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::metrics::Metrics;
    use crate::metrics::families::Labels;

    #[test]
    fn every_kind_is_written_as_the_specification_has_it() {
        let metrics = Metrics::new();
        metrics.counter("jobs", "Jobs \"done\".", &[("queue", "a\"b\\c\nd")]).add(3);
        metrics.gauge("depth", "Depth.", &[]).set(-0.5);
        metrics.histogram("wait_seconds", "Waits.", &[("q", "x")]).record(Duration::from_millis(2));
        let text = metrics.render();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..3], ["# TYPE depth gauge", "# HELP depth Depth.", "depth -0.5"]);
        let jobs =
            ["# TYPE jobs counter", r#"# HELP jobs Jobs \"done\"."#, r#"jobs_total{queue="a\"b\\c\nd"} 3"#];
        assert_eq!(lines[3..6], jobs);
        assert_eq!(
            lines[6..9],
            ["# TYPE wait_seconds histogram", "# UNIT wait_seconds seconds", "# HELP wait_seconds Waits."]
        );
        assert_eq!(lines[9], r#"wait_seconds_bucket{q="x",le="1e-5"} 0"#);
        assert!(lines.contains(&r#"wait_seconds_bucket{q="x",le="1.0"} 1"#));
        assert!(lines.contains(&r#"wait_seconds_bucket{q="x",le="+Inf"} 1"#));
        assert!(lines.contains(&r#"wait_seconds_sum{q="x"} 0.002"#));
        assert_eq!(lines.last(), Some(&"# EOF"));
    }

    /// A line as a reader of the format takes it apart, or `None`.
    fn read(line: &str) -> Option<(String, Labels, f64)> {
        let name_end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(name_end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                let (label, value) = rest.split_once("=\"")?;
                let mut text = String::new();
                let mut letters = value.char_indices();
                let end = loop {
                    match letters.next()? {
                        (at, '"') => break at,
                        (_, '\\') => text.push(match letters.next()?.1 {
                            'n' => '\n',
                            letter @ ('\\' | '"') => letter,
                            _ => return None,
                        }),
                        (_, letter) => text.push(letter),
                    }
                };
                labels.push((label.to_owned(), text));
                rest = &value[end + 1..];
                match rest.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => break,
                }
            }
            rest = rest.strip_prefix('}')?;
        }
        Some((name.to_owned(), labels, rest.strip_prefix(' ')?.parse().ok()?))
    }

    proptest! {
        #[test]
        fn whatever_the_names_and_labels_are_it_can_be_read_again(
            name in ".{0,12}", label in "[a-z]{1,6}", value in any::<String>(), count in 0..1_000_000_u64,
        ) {
            let metrics = Metrics::new();
            metrics.counter(&name, "Help.", &[(&label, &value)]).add(count);
            let text = metrics.render();
            let sample = text.split('\n').find(|line| !line.starts_with('#')).unwrap();
            let (read_name, labels, read_count) = read(sample).unwrap();
            let valid = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
            prop_assert!(read_name.ends_with("_total") && read_name.chars().all(valid), "{}", read_name);
            let label = if label == "le" { "label_le".to_owned() } else { label };
            prop_assert_eq!(labels, [(label, value)]);
            prop_assert_eq!(read_count, count as f64);
        }
    }
}
