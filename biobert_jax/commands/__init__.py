"""The command line: one parser, and one file for each command.

A command's file declares its flags as data, its help, its checks and the call.
It imports the room that does the work inside of the call, so that `--help`
and a mistyped flag never wait for JAX.

May import io, models, parallel, text, metrics, data, preprocessing,
checkpoints, tasks, training, inference, protocol, preflight.
"""
