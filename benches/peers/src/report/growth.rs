//! The tables of growth.

use std::fmt::{Result, Write as _};

use super::figures::{perhaps, whole};
use crate::growth::{Growth, Measured, Point};

pub(super) fn write(text: &mut String, growth: &Growth) -> Result {
    writeln!(text, "\n## Growth\n")?;
    writeln!(
        text,
        "How cost grows with the work; medians over the rounds, of which there are {}. CPU is that of both sides, in microseconds for each \
         call. The step up is the cost of a call beside that of the step before.",
        growth.rounds
    )?;
    for (stack, reason) in &growth.skipped {
        writeln!(text, "\nSkipped: {stack}: {reason}.")?;
    }
    for measured in &growth.axes {
        axis(text, measured)?;
    }
    Ok(())
}

fn axis(text: &mut String, measured: &Measured) -> Result {
    let mut stacks: Vec<&str> = Vec::new();
    for point in &measured.points {
        if !stacks.contains(&point.stack.as_str()) {
            stacks.push(&point.stack);
        }
    }
    writeln!(text, "\n### {}\n", measured.axis.title())?;
    write!(text, "| |")?;
    for stack in &stacks {
        write!(text, " {stack}: calls/s | p50 µs | CPU | step up |")?;
    }
    writeln!(text, "\n|--:|{}", "--:|--:|--:|--:|".repeat(stacks.len()))?;
    for (index, step) in measured.axis.steps().iter().enumerate() {
        write!(text, "| {} |", whole(*step as f64))?;
        for stack in &stacks {
            let of = |step: usize| {
                measured.points.iter().find(|point| point.stack == *stack && point.step == step)
            };
            let before = index.checked_sub(1).and_then(|before| of(measured.axis.steps()[before]));
            cells(text, of(*step), before)?;
        }
        writeln!(text)?;
    }
    for point in &measured.points {
        if let Some(reason) = point.failures.last() {
            writeln!(
                text,
                "\n{} at {} failed in {} of the rounds: {reason}.",
                point.stack,
                point.step,
                point.failures.len()
            )?;
        }
    }
    Ok(())
}

fn cells(text: &mut String, point: Option<&Point>, before: Option<&Point>) -> Result {
    let Some(summary) = point.and_then(|point| point.summary.as_ref()) else {
        return write!(text, " – | – | – | – |");
    };
    let before = before.and_then(|before| before.summary?.cpu()).filter(|cpu| *cpu > 0.0);
    let step_up = summary.cpu().zip(before).map(|(now, before)| now / before);
    write!(
        text,
        " {} | {} | {} | {} |",
        whole(summary.rate),
        perhaps(summary.p50),
        perhaps(summary.cpu()),
        step_up.map_or_else(String::new, |ratio| format!("{ratio:.2}×"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::Axis;
    use crate::statistics::Summary;

    #[test]
    fn each_step_is_held_against_the_one_before() {
        let point = |step, cpu: f64| Point {
            stack: "tonic".to_owned(),
            step,
            summary: Some(Summary {
                rate: 10.0,
                client_cpu: Some(cpu),
                server_cpu: Some(cpu),
                ..Summary::default()
            }),
            failures: Vec::new(),
        };
        let axes = vec![Measured { axis: Axis::InFlight, points: vec![point(1, 10.0), point(4, 5.0)] }];
        let mut text = String::new();
        write(&mut text, &Growth { rounds: 3, axes, ..Growth::default() }).unwrap();
        assert!(text.contains("| 1 | 10 | – | 20.0 |  |"), "{text}");
        assert!(text.contains("| 4 | 10 | – | 10.0 | 0.50× |"), "{text}");
        assert!(text.contains("| 16 | – | – | – | – |"), "{text}");
    }
}
