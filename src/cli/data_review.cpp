// medseg data review: readers judge dialogues and masks on a page of this machine.
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "data_commands.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/curation/review_server.h"
#include "medseg/http/server.h"

namespace medseg {
namespace {

struct ReviewCommand {
  std::filesystem::path manifest, store, readers, out;
  HttpOptions http;
  ReviewSettings settings;
  std::string status = "accepted";
  std::string new_reader;
  std::string role = "reader";
  bool exports = false, agreement = false;
};

void add(const ReviewCommand& command) {
  if (command.readers.empty()) throw ConfigError("--readers", "missing");
  std::string password;
  log_info("password of " + command.new_reader + ", one line:");
  std::getline(std::cin, password);
  add_reader(command.readers, command.new_reader, choice_named<ReaderRole>("--role", command.role),
             password);
  std::cout << command.readers.string() << ": " << command.new_reader << " is a " << command.role
            << "\n";
}

void serve(const ReviewCommand& command) {
  if (command.manifest.empty()) throw ConfigError("manifest", "missing");
  if (command.readers.empty()) throw ConfigError("--readers", "missing");
  const Readers readers(command.readers);
  if (static_cast<std::int64_t>(readers.count(ReaderRole::kReader)) < command.settings.readers) {
    throw ConfigError(command.readers.string(),
                      str_cat(readers.count(ReaderRole::kReader), " readers, but a record needs ",
                              command.settings.readers, " (--blind)"));
  }
  if (readers.count(ReaderRole::kAdjudicator) == 0 && command.settings.readers > 1)
    log_warning("no adjudicator: disagreements will wait");
  ReviewStore store(command.store, command.manifest, command.settings);
  if (!is_loopback(command.http.host)) {
    log_warning(command.http.host +
                " can be reached from other machines, and nothing is encrypted"
                ": put it behind a proxy that speaks https");
  }
  const SignalWatch watch;
  HttpServer server(command.http, review_routes(store, readers));
  std::cout << "review of " << store.size() << " records at " << server.url() << std::endl;
  while (caught_signal() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.stop();
  log_info("stopped; every decision is in " + command.store.string());
}

void export_it(const ReviewCommand& command) {
  if (command.out.empty()) throw ConfigError("--out", "missing");
  ReviewStore store(command.store);
  std::optional<RecordStatus> status;
  if (command.status != "all") status = choice_named<RecordStatus>("--status", command.status);
  if (status == RecordStatus::kOpen || status == RecordStatus::kDisagreement)
    throw ConfigError("--status", "a record that is " + command.status + " has no decided form");
  const auto count = export_review(store, command.out, status);
  std::cout << command.out.string() << ": " << count << " of " << store.size() << " records\n";
}

}  // namespace

void add_data_review(Command& data) {
  auto command = std::make_shared<ReviewCommand>();
  auto* app = data.add_subcommand("review", "Readers judge the records of a manifest on a page");
  app->add_option("manifest", command->manifest, "manifest.jsonl");
  app->add_option("--store", command->store, "SQLite file of all decisions; it only grows");
  app->add_option("--readers", command->readers, "file of names, roles and hashed passwords");
  app->add_option("--add-reader", command->new_reader,
                  "adds a name to the file of readers; the password is the first line of stdin");
  app->add_option("--role", command->role, "of the new name: reader or adjudicator (reader)");
  app->add_option("--host", command->http.host, "address to listen on (127.0.0.1)");
  app->add_option("--port", command->http.port, "0: any free one (8080)")->in_range(0, 65535);
  app->add_option("--blind", command->settings.readers, "readers that a record needs (2)")
      ->in_range(1, 9);
  app->add_option("--same-dice", command->settings.same_dice,
                  "masks of two readers agree from here on (0.9)")
      ->in_range(0.0, 1.0);
  app->add_flag("--export", command->exports, "write what was decided as a manifest");
  app->add_option("--out", command->out,
                  "of --export: manifest.jsonl; a data card stands beside it");
  app->add_option("--status", command->status,
                  "of --export: accepted, rejected, not_there or all (accepted)");
  app->add_flag("--agreement", command->agreement, "print kappa and Dice as one JSON object");
  app->footer(
      "Example: medseg data review data/medseg-qa/manifest.jsonl --store review.sqlite "
      "--readers readers.txt");
  app->callback([command] {
    if (!command->new_reader.empty()) return add(*command);
    if (command->store.empty()) throw ConfigError("--store", "missing");
    if (command->exports) return export_it(*command);
    if (command->agreement) {
      std::cout << ReviewStore(command->store).agreement().dump() << "\n";
      return;
    }
    serve(*command);
  });
}

}  // namespace medseg
