//! The plot: calls per second of every stack, as bars.

use load::{Kind, Workload};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figures::whole;
use super::peers::ranked;
use crate::Result;
use crate::results::Peers;

/// What is shown, if it was measured.
const PANELS: [(&str, Workload); 4] = [
    ("unary, empty, 64 in flight: calls/s", Workload::new(Kind::Unary, 0, 64)),
    ("unary, 1 KiB, 64 in flight: calls/s", Workload::new(Kind::Unary, 1 << 10, 64)),
    ("server streams, 1 KiB: messages/s", Workload::new(Kind::ServerStream, 1 << 10, 8)),
    ("streams both ways, 1 KiB: messages/s", Workload::new(Kind::Bidi, 1 << 10, 8)),
];

/// Pixels.
const WIDTH: i32 = 900;
const ROW: i32 = 22;
const TITLE: i32 = 40;
const NAMES: i32 = 170;
const FIGURES: i32 = 110;

// Colours that can be read on light and on dark ground; there is none of its own.
const TEXT: RGBColor = RGBColor(118, 124, 133);
const OURS: RGBColor = RGBColor(47, 129, 247);
const THEIRS: RGBColor = RGBColor(152, 158, 167);
const FLOOR: RGBColor = RGBColor(191, 135, 0);

/// The plot as SVG.
pub(super) fn draw(peers: &Peers) -> Result<String> {
    let panels: Vec<_> = PANELS
        .iter()
        .map(|(title, workload)| (*title, ranked(peers, *workload)))
        .filter(|(_, ranked)| !ranked.is_empty())
        .collect();
    let rows = |ranked: usize| i32::try_from(ranked).unwrap_or(i32::MAX / ROW);
    let height = panels.iter().map(|(_, ranked)| TITLE + ROW * rows(ranked.len())).sum::<i32>() + ROW;
    let mut svg = String::new();
    {
        let size = (WIDTH.unsigned_abs(), height.max(ROW).unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let mut top = 0;
        for (title, ranked) in panels {
            panel(&area, top, title, &ranked)?;
            top += TITLE + ROW * rows(ranked.len());
        }
        area.present()?;
    }
    Ok(svg)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    top: i32,
    title: &str,
    ranked: &[(&str, &crate::statistics::Summary)],
) -> Result<()> {
    // The library makes the size of a font its height.
    let style = |size: i32, from: HPos| {
        ("sans-serif", f64::from(size) * 1.24).into_font().color(&TEXT).pos(Pos::new(from, VPos::Center))
    };
    let fastest = ranked.iter().fold(1.0_f64, |fastest, (_, summary)| fastest.max(summary.rate));
    area.draw(&Text::new(title.to_owned(), (NAMES, top + TITLE / 2), style(15, HPos::Left)))?;
    for (index, (stack, summary)) in (0..).zip(ranked) {
        let middle = top + TITLE + ROW * index + ROW / 2;
        let end = NAMES + (f64::from(WIDTH - NAMES - FIGURES) * summary.rate / fastest).round() as i32;
        let colour = match *stack {
            "raw-tcp" => FLOOR,
            ours if ours.starts_with("micro-") => OURS,
            _ => THEIRS,
        };
        let corners = [(NAMES, middle - ROW / 2 + 3), (end.max(NAMES + 1), middle + ROW / 2 - 3)];
        area.draw(&Rectangle::new(corners, colour.filled()))?;
        area.draw(&Text::new((*stack).to_owned(), (NAMES - 8, middle), style(13, HPos::Right)))?;
        area.draw(&Text::new(whole(summary.rate), (end + 8, middle), style(13, HPos::Left)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Point;
    use crate::statistics::Summary;

    #[test]
    fn every_stack_that_was_measured_has_a_bar() {
        let point = |stack: &str, rate| Point {
            stack: stack.to_owned(),
            workload: PANELS[0].1,
            summary: Some(Summary { rate, ..Summary::default() }),
            rounds: Vec::new(),
            failures: Vec::new(),
        };
        let peers = Peers {
            points: vec![point("tonic", 1000.0), point("micro-native", 12_000.0), point("axum", 0.0)],
            ..Peers::default()
        };
        let svg = draw(&peers).unwrap();
        for part in ["tonic", "micro-native", "12,000", "calls/s", "</svg>"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!svg.contains("messages/s"), "what was not measured has no panel");
    }

    #[test]
    fn nothing_measured_is_an_empty_plot() {
        assert!(draw(&Peers::default()).unwrap().contains("</svg>"));
    }
}
