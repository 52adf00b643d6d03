#include "medseg/cli/main.h"

int main(int argc, char** argv) { return medseg::run_cli(argc, argv); }
