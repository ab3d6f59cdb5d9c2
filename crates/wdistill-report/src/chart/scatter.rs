//! Dots in a plane: one measure of each system against another.

use super::{Axis, COLOURS, Frame, HEIGHT, WIDTH, put};
use crate::markup::escaped;

/// A system in the plane.
#[derive(Clone, Debug)]
pub(crate) struct Dot {
    /// Which system, counted from zero; settles its colour.
    pub system: usize,
    /// Its name, written beside it.
    pub name: String,
    /// Its place across.
    pub across: f64,
    /// Its place upwards.
    pub up: f64,
    /// Half the width of the interval of `up`.
    pub half_width: f64,
}

/// Draws the dots with their intervals and names, or nothing if no dot has a place. `axes` are the titles, across and up.
pub(crate) fn scatter_chart(title: &str, axes: [&str; 2], dots: &[Dot]) -> Option<String> {
    let dots: Vec<&Dot> = dots
        .iter()
        .filter(|dot| [dot.across, dot.up, dot.half_width].iter().all(|value| value.is_finite()))
        .collect();
    let most_across = dots.iter().map(|dot| dot.across).reduce(f64::max)?;
    let low = dots.iter().map(|dot| dot.up - dot.half_width).reduce(f64::min)?;
    let high = dots.iter().map(|dot| dot.up + dot.half_width).reduce(f64::max)?;
    let frame = Frame {
        horizontal: Axis::covering(0.0, most_across, 6),
        vertical: Axis::covering(low, high, 6),
    };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    );
    frame.draw_axes(&mut svg, axes[0], axes[1]);
    dots.iter().for_each(|dot| draw_dot(&mut svg, &frame, dot));
    svg.push_str("</svg>");
    Some(svg)
}

fn draw_dot(svg: &mut String, frame: &Frame, dot: &Dot) {
    let (x, y) = (frame.x(dot.across), frame.y(dot.up));
    let class = dot.system % COLOURS;
    let (top, bottom) = (frame.y(dot.up + dot.half_width), frame.y(dot.up - dot.half_width));
    put(
        svg,
        format_args!(
            "<line class=\"interval series-{class}\" x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>"
        ),
    );
    put(
        svg,
        format_args!(
            "<circle class=\"point series-{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{}: {:.2} and {:.2} ± {:.2}</title></circle>",
            escaped(&dot.name),
            dot.across,
            dot.up,
            dot.half_width
        ),
    );
    // On the side that has more room.
    let (side, anchor) = if x > WIDTH / 2.0 { (-9.0, "end") } else { (9.0, "start") };
    put(
        svg,
        format_args!(
            "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x + side,
            y + 4.0,
            escaped(&dot.name)
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(name: &str, across: f64, up: f64) -> Dot {
        Dot { system: 1, name: name.to_string(), across, up, half_width: 0.5 }
    }

    #[test]
    fn a_dot_further_on_is_further_to_the_right_and_a_better_one_higher() {
        let axes = ["speed-up", "BLEU"];
        let dots = [dot("slow & good", 1.0, 36.0), dot("fast", 4.0, 34.0)];
        let svg = scatter_chart("Quality against speed", axes, &dots).unwrap();
        let place = |name: &str| {
            let at = svg.find(&format!("<title>{name}:")).unwrap();
            let circle = svg[..at].rfind("<circle").unwrap();
            let number = |key: &str| {
                let text = svg[circle..].split(&format!("{key}=\"")).nth(1).unwrap();
                text.split('"').next().unwrap().parse::<f64>().unwrap()
            };
            (number("cx"), number("cy"))
        };
        let (slow, fast) = (place("slow &amp; good"), place("fast"));
        assert!(fast.0 > slow.0 && fast.1 > slow.1, "{slow:?} {fast:?}");
        assert!(svg.contains(">speed-up</text>") && svg.contains(">BLEU</text>"));
    }

    #[test]
    fn what_has_no_place_is_not_drawn() {
        let axes = ["speed-up", "BLEU"];
        assert!(scatter_chart("none", axes, &[]).is_none());
        assert!(scatter_chart("none", axes, &[dot("lost", f64::NAN, 1.0)]).is_none());
    }
}
