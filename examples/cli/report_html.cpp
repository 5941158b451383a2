#include "report.hpp"

#include "text.hpp"

#include "tersor/version.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cli {

namespace {

constexpr const char* style = R"css(
:root{color-scheme:light dark;--ink:#1c2330;--soft:#667085;--paper:#f6f7f9;--card:#fff;--line:#e3e7ed;--a:#2f6fde;--b:#d9663b;--track:#e8ecf2}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--paper:#12151b;--card:#1a1f28;--line:#2a313d;--a:#6ea0ff;--b:#ff9468;--track:#2a313d}}
*{box-sizing:border-box}
body{margin:0 auto;padding:clamp(16px,4vw,44px);max-width:1180px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:clamp(20px,3.4vw,28px);line-height:1.25;margin:0 0 2px;overflow-wrap:anywhere}
h2{font-size:18px;margin:38px 0 12px}
p{margin:0 0 10px}.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:24px 0}
.fact,.card,.scroll{background:var(--card);border:1px solid var(--line);border-radius:10px}
.fact{padding:14px 16px}.fact b{display:block;font-size:22px;line-height:1.25;font-weight:650;white-space:nowrap}
.fact span{color:var(--soft);font-size:13px}
.size{display:grid;grid-template-columns:auto 1fr auto;gap:6px 12px;align-items:center;margin:0 0 8px;font-size:14px}
.size i{display:block;height:14px;border-radius:4px;background:var(--track);overflow:hidden}.size i::before{content:"";display:block;height:100%;width:var(--w);background:var(--a)}
.size i.after::before{background:var(--b)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:7px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td:first-child,th.l,td.l{text-align:left}
tr:last-child td{border-bottom:0}tbody tr:hover{background:var(--paper)}
th{font-weight:600;color:var(--soft);font-size:13px;cursor:pointer;user-select:none}
th[aria-sort=ascending]::after{content:" \2191"}th[aria-sort=descending]::after{content:" \2193"}
td a{color:inherit;text-decoration:none}td a:hover{text-decoration:underline}
.bar{display:inline-block;width:90px;height:8px;margin-left:10px;border-radius:4px;background:var(--track);overflow:hidden;vertical-align:middle}
.bar::before{content:"";display:block;height:100%;width:var(--w);background:var(--a)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px}
.card{padding:14px 16px;scroll-margin-top:16px}.card:target{outline:2px solid var(--a)}
.card h3{font-size:14px;margin:0;overflow-wrap:anywhere}.card p{font-size:13px;margin:0 0 8px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:14px}
svg{display:block;width:100%;height:auto}svg .v{fill:var(--a)}svg .d{fill:var(--b)}svg line{stroke:var(--line)}
figure{margin:0}figcaption{font-size:12px;color:var(--soft);display:flex;justify-content:space-between}
@media(max-width:640px){.bar,.shape{display:none}th,td{padding:6px 5px}table{font-size:13px}td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:124px}.fact{padding:10px 12px}}
)css";

constexpr const char* script = R"js(
for(const th of document.querySelectorAll("th"))th.onclick=()=>{
const body=th.closest("table").tBodies[0],i=th.cellIndex,up=th.ariaSort!=="ascending";
for(const o of th.parentNode.cells)o.removeAttribute("aria-sort");th.ariaSort=up?"ascending":"descending";
const key=r=>{const v=r.cells[i].dataset.v;return v===undefined?r.cells[i].textContent:+v};
[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);return(x<y?-1:x>y?1:0)*(up?1:-1)}).forEach(r=>body.append(r))};
)js";

std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : printable(text)) {
        switch (c) {
        case '&':
            result += "&amp;";
            break;
        case '<':
            result += "&lt;";
            break;
        case '>':
            result += "&gt;";
            break;
        case '"':
            result += "&quot;";
            break;
        default:
            result += c;
        }
    }
    return result;
}

// A path or a name that may be broken behind its slashes and dots.
std::string breakable(const std::string& text) {
    std::string result;
    for (const char c : escaped(text)) {
        result += c;
        result += c == '/' || c == '.' ? "<wbr>" : "";
    }
    return result;
}

// Columns as one shape; heights by the square root, so that the tails can be seen.
std::string picture(const histogram& h, const char* kind, const char* title) {
    constexpr double width = 162.0, height = 60.0;
    const std::uint64_t largest = h.counts.empty() ? 0 : *std::ranges::max_element(h.counts);
    const double step = h.counts.empty() ? width : width / static_cast<double>(h.counts.size());
    std::string path = "M0 60";
    double x = 0.0;
    for (const std::uint64_t count : h.counts) {
        const double share = largest == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(largest);
        path += "V" + fixed_text(height - (height - 2.0) * std::sqrt(share), 1);
        x += step;
        path += "H" + fixed_text(x, 1);
    }
    path += "V60Z";
    return std::string("<figure><svg viewBox=\"0 0 162 61\" role=\"img\" aria-label=\"histogram of ") + title +
           "\"><line x1=\"0\" y1=\"60.5\" x2=\"162\" y2=\"60.5\"/><path class=\"" + kind + "\" d=\"" + path +
           "\"/></svg><figcaption><span>" + (h.reach == 0.0 ? "0" : "&minus;" + short_text(h.reach)) + "</span><span>" +
           title + "</span><span>" + (h.reach == 0.0 ? "0" : "+" + short_text(h.reach)) +
           "</span></figcaption></figure>";
}

std::string fact(const std::string& figure, const std::string& what) {
    return "<div class=\"fact\"><b>" + figure + "</b><span>" + what + "</span></div>\n";
}

std::string percent(double share) {
    return fixed_text(100.0 * std::clamp(share, 0.0, 1.0), 1) + "%";
}

std::string decibels(double sqnr) {
    return std::isfinite(sqnr) ? fixed_text(sqnr, 2) : fixed_text(sqnr, 0);
}

// A cell with the number that it is sorted by.
std::string cell(double sort_by, const std::string& text) {
    // an exact tensor comes behind all others
    const std::string number = std::isinf(sort_by) ? "1e9" : std::isnan(sort_by) ? "-1e9" : std::to_string(sort_by);
    return "<td data-v=\"" + number + "\">" + text + "</td>";
}

std::string sizes(const report& r, const tensor_report& total) {
    const std::uint64_t before = total.bytes_in + r.kept_bytes_in(), after = total.bytes_out + r.kept_bytes();
    const double most = static_cast<double>(std::max({before, after, std::uint64_t{1}}));
    const auto line = [&](const char* what, const char* kind, std::uint64_t bytes) {
        return std::string("<span class=\"soft\">") + what + "</span><i class=\"" + kind +
               "\" style=\"--w:" + percent(static_cast<double>(bytes) / most) + "\"></i><span>" + size_text(bytes) +
               "</span>\n";
    };
    return "<div class=\"size\">" + line("before", "before", before) + line("after", "after", after) + "</div>\n";
}

std::string rows(const report& r, const std::vector<std::size_t>& order) {
    double best = 1.0;
    for (const tensor_report& t : r.tensors) {
        const double sqnr = t.figures().sqnr_db;
        best = std::isfinite(sqnr) ? std::max(best, sqnr) : best;
    }
    std::string text;
    for (const std::size_t i : order) {
        const tensor_report& t = r.tensors[i];
        const tersor::error_figures f = t.figures();
        const double share = std::isinf(f.sqnr_db) ? 1.0 : std::isnan(f.sqnr_db) ? 0.0 : f.sqnr_db / best;
        text +=
            "<tr><td><a href=\"#t" + std::to_string(i) + "\">" + breakable(t.name) + "</a></td><td class=\"shape\">" +
            shape_text(t.shape) + "</td><td class=\"l\">" + escaped(t.spec) + "</td>" +
            cell(t.bits_per_weight(), fixed_text(t.bits_per_weight(), 3)) +
            cell(f.sqnr_db, decibels(f.sqnr_db) + "<span class=\"bar\" style=\"--w:" + percent(share) + "\"></span>") +
            "<td data-v=\"" + short_text(f.max_abs_error) + "\">" + short_text(f.max_abs_error) + "</td>" +
            cell(static_cast<double>(t.bytes_in), size_text(t.bytes_in)) +
            cell(static_cast<double>(t.bytes_out), size_text(t.bytes_out)) + "</tr>\n";
    }
    return text;
}

std::string cards(const report& r, const std::vector<std::size_t>& order) {
    std::string text;
    for (const std::size_t i : order) {
        const tensor_report& t = r.tensors[i];
        const tersor::error_figures f = t.figures();
        text += "<section class=\"card\" id=\"t" + std::to_string(i) + "\"><h3>" + breakable(t.name) +
                "</h3><p class=\"soft\">" + shape_text(t.shape) + " &middot; " + escaped(t.spec) + " &middot; " +
                decibels(f.sqnr_db) + (std::isfinite(f.sqnr_db) ? " dB" : "") + " &middot; cos " +
                fixed_text(f.cosine, 5) + "</p><div class=\"pair\">" + picture(t.values, "v", "weights") +
                picture(t.differences, "d", "error") + "</div></section>\n";
    }
    return text;
}

} // namespace

std::string html_of(const report& r) {
    const tensor_report total = r.total();
    const tersor::error_figures figures = total.figures();
    // the worst first
    std::vector<std::size_t> order(r.tensors.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto badness = [&](std::size_t i) {
        const double sqnr = r.tensors[i].figures().sqnr_db;
        return std::isnan(sqnr) ? -1e9 : sqnr;
    };
    std::ranges::stable_sort(order, {}, badness);
    const bool has_pictures = std::ranges::any_of(r.tensors, [](const auto& t) { return !t.values.counts.empty(); });
    std::string page =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>tersor: " +
        escaped(r.model) + "</title><style>" + style + "</style></head><body>\n<h1>" + breakable(r.model) +
        "</h1>\n<p class=\"soft\">" +
        (r.is_plan          ? "plan"
         : r.output.empty() ? ""
                            : escaped(r.output)) +
        (r.layout.empty() ? "" : " &middot; " + r.layout) + " &middot; tersor " + tersor::version +
        "</p>\n<div class=\"facts\">" + fact(fixed_text(total.bits_per_weight(), 3), "bits per weight") +
        fact(decibels(figures.sqnr_db) + (std::isfinite(figures.sqnr_db) ? " dB" : ""),
             "signal to quantization noise") +
        fact(short_text(figures.max_abs_error), "largest error") +
        fact(std::to_string(r.tensors.size()),
             r.kept.empty() ? "tensors" : "tensors, " + std::to_string(r.kept.size()) + " more kept as they are") +
        fact(fixed_text(r.seconds, 2) + " s", "run time") + "</div>\n" + sizes(r, total);
    page += "<h2>Tensors</h2>\n<div class=\"scroll\"><table><thead><tr><th>tensor</th><th class=\"shape\">shape</th>"
            "<th class=\"l\">spec</th><th>bits</th><th aria-sort=\"ascending\">SQNR dB</th><th>largest error</th>"
            "<th>before</th><th>after</th></tr></thead><tbody>\n" +
            rows(r, order) + "</tbody></table></div>\n";
    if (has_pictures) {
        page += "<h2>Weights and errors</h2>\n<p class=\"soft\">How often each value occurs; heights by the square "
                "root, the worst tensor first.</p>\n<div class=\"cards\">\n" +
                cards(r, order) + "</div>\n";
    }
    return page + "<script>" + script + "</script></body></html>\n";
}

} // namespace cli
