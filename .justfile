# just: the tasks there are. Each is a command that can be typed without just.

# List the tasks
default:
    @just --justfile {{justfile()}} --list

# A working shop on http://127.0.0.1:8080
run:
    cargo run

# What has to pass before a change lands
check:
    .ci/run

# Tests whose names contain NAME, or all of them
test *NAME:
    deploy/test {{NAME}}

# Drills: kill, freeze and cut off, and count what was lost
chaos *DRILLS="all":
    deploy/chaos {{DRILLS}}

# How fast it is, briefly
bench:
    deploy/bench --quick --brief

# Files that only another machine can run, variables, imports
lint:
    deploy/lint
