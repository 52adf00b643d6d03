// medseg data: make, convert, check and count data; one file a subcommand.
#include "commands.h"
#include "data_commands.h"

namespace medseg {

void add_data(Command& app) {
  auto* data = app.add_subcommand("data", "Prepare, check and count data");
  data->require_subcommand();
  add_data_demo(*data);
  add_data_new(*data);
  add_data_convert(*data);
  add_data_export(*data);
  add_data_doctor(*data);
  add_data_stats(*data);
  add_data_fingerprint(*data);
  add_data_annotate(*data);
  add_data_review(*data);
}

}  // namespace medseg
