#include "page_style.h"

#include "medseg/base/clock.h"
#include "medseg/base/html.h"
#include "medseg/base/str.h"
#include "medseg/report/line_chart.h"

namespace medseg {
namespace {

constexpr const char* kStyle =
    "body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:1120px;"
    "color:#1c2126;background:#fff}"
    "h1{font-size:1.3rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:"
    "1rem}"
    ".charts>*{min-width:0}figure{margin:0}figcaption{font-size:.85rem}"
    ".tiles{display:flex;flex-wrap:wrap;gap:.6rem 2rem}.tiles div "
    "b{display:block;font-size:1.25rem}"
    "table{border-collapse:collapse;font-size:.85rem}"
    "td{padding:.1rem .8rem .1rem 0;vertical-align:top;overflow-wrap:anywhere}"
    "td:first-child{white-space:nowrap;opacity:.7}"
    "pre{font-size:.8rem;overflow:auto;max-height:30rem;border:1px solid #8886;padding:.6rem}"
    ".answer{border-top:1px solid #8886;padding:.8rem 0}.answer img{max-width:100%;display:block}"
    ".answer p{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".bar{background:#0072b2;height:.6rem;display:inline-block;vertical-align:middle}"
    "@media(prefers-color-scheme:dark){body{color:#dde3e8;background:#14181c}}";

}  // namespace

std::string page_head(const std::string& title, const std::string& more_style) {
  const std::string safe = html(title);
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
         "data:; style-src 'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
         safe + "</title>\n<style>" + kStyle + line_chart_style() + more_style +
         "</style></head><body>\n<h1>" + safe + "</h1>\n";
}

std::string page_end() {
  return str_cat("<p><small>written ", utc_now(), "</small></p></body></html>\n");
}

}  // namespace medseg
