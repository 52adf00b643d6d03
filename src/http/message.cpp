#include "medseg/http/message.h"

#include <nlohmann/json.hpp>

#include "medseg/base/str.h"

namespace medseg {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string HttpRequest::header(std::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? "" : found->second;
}

std::optional<std::string> HttpRequest::cookie(std::string_view name) const {
  for (const auto& part : split(header("cookie"), ';')) {
    const std::string pair = trim(part);
    const auto equals = pair.find('=');
    if (equals != std::string::npos && pair.substr(0, equals) == name)
      return pair.substr(equals + 1);
  }
  return std::nullopt;
}

HttpReply error_reply(int status, const std::string& code, const std::string& message) {
  HttpReply reply;
  reply.status = status;
  const nlohmann::ordered_json json = {
      {"error",
       {{"message", message},
        {"type", status < 500 ? "invalid_request_error" : "server_error"},
        {"code", code}}}};
  reply.body = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return reply;
}

std::string server_sent_event(std::string_view data, std::string_view event) {
  std::string text;
  if (!event.empty()) text += str_cat("event: ", event, "\n");
  for (const auto& line : split(data, '\n')) text += "data: " + line + "\n";
  return text + "\n";
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(16 * high + low);
      i += 2;
    }
  }
  return decoded;
}

std::optional<std::map<std::string, std::string>> form_fields(std::string_view text) {
  std::map<std::string, std::string> fields;
  if (text.empty()) return fields;
  for (const auto& part : split(text, '&')) {
    const auto equals = part.find('=');
    const auto name = percent_decoded(part.substr(0, equals), true);
    const auto value = equals == std::string::npos
                           ? std::optional<std::string>("")
                           : percent_decoded(std::string_view(part).substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    fields[*name] = *value;
  }
  return fields;
}

}  // namespace medseg
