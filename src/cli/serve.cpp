// medseg serve: a model behind HTTP.
#include <iostream>
#include <thread>

#include "commands.h"
#include "medseg/base/log.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/serving/api.h"
#include "model_options.h"

namespace medseg {
namespace {

struct ServeArguments {
  ModelOptions model;
  HttpOptions http;
  std::filesystem::path tokens;
  std::int64_t body_mb = 64;
  bool access_log = false;
};

void require_private(const ServeArguments& arguments) {
  if (is_loopback(arguments.http.host) || !arguments.tokens.empty()) return;
  throw ConfigError("--host", arguments.http.host +
                                  " can be reached from other machines; name a file of tokens "
                                  "with --token, or listen on 127.0.0.1");
}

void serve(const ServeArguments& arguments) {
  require_private(arguments);
  std::optional<BearerTokens> tokens;
  if (!arguments.tokens.empty()) tokens.emplace(arguments.tokens);
  const SignalWatch watch("\nstopping: what was asked is answered (again: at once)\n");
  log_info("opening " + arguments.model.bundle.string());
  AskedModel model(arguments.model);
  ServedCounts counts;
  const auto body_most = static_cast<std::size_t>(arguments.body_mb) << 20;
  HttpServer server(
      arguments.http, make_api(model, counts, std::move(tokens), body_most),
      [&](const HttpAccess& access) {
        counts.add_request(access);
        if (!arguments.access_log) return;
        log_info(str_cat(access.peer, " ", access.method, " ", access.path, " ", access.status, " ",
                         access.bytes, " bytes ", fixed(access.seconds, 3), " s"));
      });
  // A program that starts the server reads its address here.
  std::cout << server.url() << std::endl;
  log_info(str_cat("serves ", model.name(), " at ", server.url(), "; Ctrl-C ends it"));
  while (caught_signal() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  server.stop();
  stop_if_signalled();
}

}  // namespace

void add_serve(Command& app) {
  auto arguments = std::make_shared<ServeArguments>();
  auto* command = app.add_subcommand(
      "serve", "Answer over HTTP, in OpenAI's form with masks beside the words, and a web page");
  add_model_options(*command, arguments->model);
  command->add_option("--host", arguments->http.host, "address to listen on");
  command->add_option("--port", arguments->http.port, "0: any free one")->in_range(0, 65535);
  command->add_option("--token", arguments->tokens,
                      "file with one bearer token a line; needed unless the address is loopback");
  command->add_option("--queue", arguments->http.queue, "requests that wait or run; more get 429")
      ->in_range(1, 100000);
  command->add_option("--body-mb", arguments->body_mb, "largest request, image included")
      ->in_range(1, 2048);
  command->add_flag("--access-log", arguments->access_log,
                    "a line a request on stderr, without questions or pixels");
  command->footer("Example: medseg serve --model runs/demo/best --port 8080");
  command->callback([arguments] { serve(*arguments); });
}

}  // namespace medseg
