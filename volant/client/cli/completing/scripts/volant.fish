# Completion of the volant command for fish; `volant completion fish` prints this.

function __volant_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program $words[1]
    type -q -- $program; or set program volant
    set -l plain (string unescape -- $typed 2>/dev/null; or string trim -l -c '\'"' -- $typed)
    set -l answer ($program __complete words $words[2..-1] "$plain" 2>/dev/null)
    for line in $answer[2..-1]
        string sub -s 2 -- $line
    end
    if string match -q 'paths*' -- $answer[1]
        set -l before (string replace -r '^paths ?' '' -- $answer[1])
        for path in (__fish_complete_path (string sub -s (math (string length -- "$before") + 1) -- "$plain"))
            echo $before$path
        end
    end
end

complete -c volant -f -a '(__volant_complete)'
